"""`lipzoo demo`, the main job of lipzoo in one run: load, bound, certify, attack, fine-tune, draw.

It runs on Fashion-MNIST where it is at hand, and on scikit-learn's digits
where it is not.
"""

import argparse
import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.certificates import Certificate
from lipzoo.data.settings import DataSettings
from lipzoo.evaluation import AttackResult, pgd_attack
from lipzoo.evaluation.figures import FigureExample, certificate_figure
from lipzoo.training import DataError, Dataset, load_data
from lipzoo_catalogue.certified.certified import Certified, columns_of
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.files import CONFIG, WEIGHTS
from lipzoo_catalogue.installing import how_to_install
from lipzoo_cli.certified_page import CertifiedPage
from lipzoo_cli.exit_codes import CheckFailed

FACTORS = (0.999, 1.5, 2.0, 4.0)


@dataclass(frozen=True)
class Setting:
    """One data set with the network that the demo shows on it."""

    model: str
    title: str
    source: str
    epsilons: tuple[float, ...]
    batch_size: int


SETTINGS = (
    Setting(
        "gradflow-fmnist", "Fashion-MNIST", "tfds:fashion_mnist", (36 / 255, 0.25, 0.5, 1.0), 256
    ),
    Setting(
        "gradflow-digits", "scikit-learn's digits", "sklearn:digits", (0.1, 0.25, 0.5, 0.75), 64
    ),
)


def demo(arguments: argparse.Namespace) -> None:
    """`lipzoo demo [--output FILE] [--examples N] [--digits]`."""
    examples = None if arguments.examples is None else int(arguments.examples)
    if not run_demo(Path(arguments.output or "lipzoo-demo.png"), examples, digits=arguments.digits):
        raise CheckFailed("a check of the demo failed, see above")


def run_demo(output: Path, examples: int | None = None, digits: bool = False) -> bool:
    """Runs the demo, prints what it finds, draws a figure and writes a page.

    Args:
        output: path of the figure; the page lies beside it, as .html.
        examples: number of test images; `None` for all.
        digits: whether scikit-learn's digits are taken even where Fashion-MNIST is at hand.

    Returns:
        Whether everything that was tried agrees with the certificates.

    Raises:
        ImportError: if Matplotlib is missing.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(f"lipzoo demo draws a figure: {how_to_install('train')}")
    start = time.perf_counter()

    setting, data = _find_data(SETTINGS[1:] if digits else SETTINGS)
    x, y = data.inputs(data.test)[:examples], data.test.y[:examples]
    holds: list[bool] = []

    _headline(1, f"{setting.model}, a network with a proven bound")
    model = lipzoo.load(setting.model)
    bound = lipzoo.lipschitz_bound(model)
    print(bound)

    _headline(2, f"Certificates for {len(x):,} test images of {setting.title}")
    certificate = lipzoo.certify(model, x, y, verbose=0)
    print(certificate)
    print("Certified accuracy: the share of images classified correctly, with a proof that")
    print("no perturbation of l2 norm up to epsilon changes that.")

    _headline(3, "Attacks on some of them, within and beyond their certified radii")
    shown, withstood = _attack_examples(model, certificate, x, y, data.class_names)
    attacked = _attacked_accuracy(model, certificate, x, y, setting.epsilons)
    holds.append(withstood)

    _headline(4, "Fine-tuning on something new: the same images in negative")
    holds.append(_fine_tune(model, data, setting, float(bound)))

    figure = certificate_figure(
        certificate,
        attacked=attacked,
        examples=shown,
        marks=setting.epsilons,
        title=f"{setting.model}: certified accuracy on {len(x):,} test images",
    )
    # Matplotlib leaves its further options without types.
    figure.savefig(output)  # pyright: ignore[reportUnknownMemberType]
    page = _write_page(output.with_suffix(".html"), certificate, x, setting)
    print(f"\nFigure: {output}. Page for a browser, with every image's radius: {page}.")
    print(f"The demo took {time.perf_counter() - start:.0f} s.")
    if not all(holds):
        print("A CERTIFICATE WAS CONTRADICTED. Please report this: it is a bug.")
    return all(holds)


def _find_data(settings: tuple[Setting, ...]) -> tuple[Setting, Dataset]:
    """The first data set at hand; the reason why an earlier one is not is printed."""
    for setting in settings[:-1]:
        try:
            return setting, _load_data(setting)
        except DataError as error:
            print(f"{error}\nSo this demo runs on another data set.")
    return settings[-1], _load_data(settings[-1])


def _load_data(setting: Setting) -> Dataset:
    return load_data(DataSettings(source=setting.source))


def _attack_examples(
    model: keras.Model,
    certificate: Certificate,
    x: np.ndarray,
    y: np.ndarray,
    class_names: Sequence[str],
    quantiles: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 0.9),
) -> tuple[list[FigureExample], bool]:
    """Attacks images of every class, of small to large radii, at multiples of their radii."""
    places: list[int] = []
    usable = (certificate.prediction == y) & (certificate.radius > 0)
    usable &= np.isfinite(certificate.radius)
    for label in range(len(class_names)):
        own = np.flatnonzero(usable & (y == label))
        own = own[np.argsort(certificate.radius[own])]
        places += [own[int(quantile * len(own))] for quantile in quantiles if len(own)]
    chosen = np.array(places)
    radius = certificate.radius[chosen]

    print(f"{'distance / radius':>18} {'labels changed':>15}")
    lost_within = 0
    results: dict[float, AttackResult] = {}
    for factor in FACTORS:
        result = pgd_attack(model, x[chosen], y[chosen], factor * radius, steps=40)
        count = int(result.success.sum())
        note = "   a certificate excludes any" if factor < 1 else ""
        print(f"{factor:>18} {count:>8} of {len(chosen)}{note}")
        if factor < 1:
            lost_within += count
        results[factor] = result
    return _strip(model, results, chosen, radius, x, y, class_names, quantiles), lost_within == 0


def _strip(
    model: keras.Model,
    results: dict[float, AttackResult],
    chosen: np.ndarray,
    radius: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    class_names: Sequence[str],
    quantiles: Sequence[float],
) -> list[FigureExample]:
    """For the figure: the image of median radius of every class, with what changed its label."""
    examples: list[FigureExample] = []
    middle = range(len(quantiles) // 2, len(chosen), len(quantiles))
    for place in middle:
        example = FigureExample(x[chosen[place]], class_names[int(y[chosen[place]])], radius[place])
        for factor in FACTORS[1:]:
            result = results[factor]
            if result.success[place]:
                image = result.inputs[place]
                taken_for = int(np.argmax(model.predict(image[None], verbose=0)))
                example = replace(
                    example,
                    attacked=image,
                    attacked_label=class_names[taken_for],
                    distance=result.distance[place],
                )
                break
        examples.append(example)
    return examples[:8]


def _attacked_accuracy(
    model: keras.Model,
    certificate: Certificate,
    x: np.ndarray,
    y: np.ndarray,
    epsilons: Sequence[float],
    sample: int = 120,
) -> tuple[Sequence[float], list[float]]:
    """Estimates the accuracy under attack.

    What is certified needs no attack, and what is misclassified is lost already; of the rest, a
    sample is attacked.
    """
    correct = certificate.prediction == y
    accuracies: list[float] = []
    random = np.random.default_rng(0)
    print(f"\n{'epsilon':>8} {'certified':>10} {'under attack':>13}   (an estimate)")
    for epsilon in epsilons:
        proven = float(certificate.certified_accuracy(epsilon))
        open_cases = np.flatnonzero(correct & ~(certificate.radius > epsilon))
        picked = random.permutation(open_cases)[:sample]
        kept = 0.0
        if len(picked):
            kept = pgd_attack(model, x[picked], y[picked], epsilon, steps=20).accuracy
        accuracies.append(proven + kept * len(open_cases) / len(x))
        print(f"{epsilon:>8.4g} {100 * proven:>8.1f} % {100 * accuracies[-1]:>11.1f} %")
    return epsilons, accuracies


def _fine_tune(
    model: keras.Model,
    data: Dataset,
    setting: Setting,
    bound: float,
    steps: int = 40,
    examples: int = 1000,
) -> bool:
    """A few steps of Adam on negatives; returns whether the bound is kept."""
    x, y = 1.0 - data.inputs(data.test)[:examples], data.test.y[:examples]
    before = lipzoo.certify(model, x, y, verbose=0)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=lipzoo.OffsetCrossEntropy(epsilon=0.5, temperature=0.25),
    )
    order = np.random.default_rng(0).permutation(len(data.train))
    for step in range(steps):
        start = step * setting.batch_size % (len(order) - setting.batch_size + 1)
        batch = order[start : start + setting.batch_size]
        # Only this batch is scaled: the whole training split would cost seconds.
        images = data.train.x[batch].astype("float32") / np.float32(data.divisor)
        model.train_on_batch(1.0 - images, data.train.y[batch])
    new_bound = float(lipzoo.lipschitz_bound(model))
    after = lipzoo.certify(model, x, y, verbose=0)
    epsilon = 0.25
    print(f"{'':>14} {'bound':>10} {'accuracy':>9} {f'certified at {epsilon:.2f}':>18}")
    for name, value, now in (("before", bound, before), (f"{steps} steps later", new_bound, after)):
        certified, accuracy = (
            100 * float(now.certified_accuracy(epsilon)),
            100 * (now.accuracy or 0),
        )
        print(f"{name:>14} {value:>10.7f} {accuracy:>7.1f} % {certified:>16.1f} %")
    limit = max(bound, 1.0)
    print(f"The bound is {'still' if new_bound <= limit else 'NOT'} at most {limit:g}.")
    return new_bound <= limit


def _write_page(path: Path, certificate: Certificate, x: np.ndarray, setting: Setting) -> Path:
    """Writes what was certified as a page."""
    info = lipzoo.info(setting.model)
    page = CertifiedPage(path, info.config)
    page.add(x)
    page.write(
        Certified(Terms.of(certificate), columns_of(certificate)),
        f"{setting.model} on {setting.title}",
        {"model": setting.model, "data": setting.source, "arithmetic": certificate.arithmetic},
        {f"model, {name}": info.files[name].sha256 for name in (WEIGHTS, CONFIG)},
    )
    return path


def _headline(number: int, text: str) -> None:
    print(f"\n{number}. {text}\n")
