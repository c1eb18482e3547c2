"""Reconstruction from indirect measurements: results of several methods, how they are shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from lipzoo_catalogue.certificate_claim import FORMAT_VERSION
from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.json_validation import (
    check_required,
    check_version,
    expect,
    is_count,
    is_nonnegative,
    is_number,
    is_object,
    mismatch,
    optional,
)
from lipzoo_catalogue.markdown import table
from lipzoo_catalogue.model_config import ModelConfig

_COLUMNS = {
    "psnr": ("PSNR, dB", "{:.2f}"),
    "ssim": ("SSIM", "{:.3f}"),
    "relative_error": ("relative error", "{:.3f}"),
    "lipschitz_bound": ("proven bound, measurement to reconstruction", None),
    "certified_movement": ("certified movement", None),
    "worst_movement": ("worst movement found", "{:.4g}"),
    "seconds": ("seconds per example", "{:.2g}"),
}


@dataclass(frozen=True)
class MethodResult:
    """How one method reconstructs the test examples.

    Args:
        name: the method.
        psnr: mean peak signal-to-noise ratio, in dB.
        ssim: mean structural similarity.
        relative_error: mean of ‖x̂ - x‖ / ‖x‖.
        lipschitz_bound: proven bound of the map from measurement to reconstruction, Euclidean
            norm; `None` where none is proven.
        certified_movement: what no movement of the reconstruction exceeds when the measurement
            moves by `ReconstructionMetrics.perturbation`, rounding included.
        worst_movement: the largest such movement that was found, an estimate from below.
        seconds: time for one test example.
    """

    name: str
    psnr: float | None = None
    ssim: float | None = None
    relative_error: float | None = None
    lipschitz_bound: float | None = None
    certified_movement: float | None = None
    worst_movement: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class ReconstructionMetrics:
    """The test results of a reconstruction model beside other methods.

    The file is `{"format_version": 1, "task": "reconstruction", "test": {"examples": 100, "noise":
    0.02, "methods": {"InvNet": {"psnr": 24.1, "lipschitz_bound": 3.2, ...}, ...}}}`; the first
    method is the model itself. A number that was not measured is absent or null; further keys are
    not interpreted.

    Args:
        examples: number of test examples.
        noise: standard deviation of the noise, relative to the exact measurements' root mean
            square.
        methods: results by method, the model first.
        standard_deviation: of the noise, in the units of the measurements, or `None`.
        perturbation: norm by which a measurement moves in the search for movements, or `None`.
        attacked_examples: number of examples of that search, or `None`.

    Raises:
        ValueError: if a key is wrong, or a movement was found that exceeds the certified one.

    >>> own = {"psnr": 24.0, "lipschitz_bound": 3.0}
    >>> test = {"examples": 10, "noise": 0.02, "methods": {"InvNet": own}}
    >>> values = {"format_version": 1, "task": "reconstruction", "test": test}
    >>> ReconstructionMetrics.from_dict(values).methods[0].psnr
    24.0
    """

    examples: int
    noise: float
    methods: tuple[MethodResult, ...]
    standard_deviation: float | None = None
    perturbation: float | None = None
    attacked_examples: float | None = None
    task = "reconstruction"

    @classmethod
    def from_dict(
        cls, values: Mapping[str, object], where: str | Path = "metrics"
    ) -> "ReconstructionMetrics":
        """Reads and checks the content of `metrics.json`."""
        check_version(values, FORMAT_VERSION, where)
        test = expect(values.get("test"), is_object, "test results", "test", where)
        check_required(test, ("examples", "noise", "methods"), where, "test.")
        examples = expect(test["examples"], is_count, "a positive integer", "test.examples", where)
        noise = expect(test["noise"], is_nonnegative, "a non-negative number", "test.noise", where)
        stated, what = test["methods"], "an object of methods"
        methods = expect(stated, _is_filled, what, "test.methods", where)
        read = tuple(_read_method(name, row, where) for name, row in methods.items())
        deviation, perturbation, attacked = (
            optional(test, key, is_number, "a number or null", where, "test.")
            for key in ("standard_deviation", "perturbation", "attacked_examples")
        )
        return cls(examples, float(noise), read, deviation, perturbation, attacked)


def read_metrics(
    values: Mapping[str, object], where: str | Path = "metrics"
) -> ReconstructionMetrics:
    """Reads the content of `metrics.json`, see `ReconstructionMetrics`."""
    return ReconstructionMetrics.from_dict(values, where)


def summary(metrics: ReconstructionMetrics) -> str:
    """The results in some words."""
    shown = [
        f"{method.name} {method.psnr:.2f} dB"
        for method in metrics.methods
        if method.psnr is not None
    ]
    return ", ".join(shown[:2])


def plain_lines(metrics: ReconstructionMetrics) -> Iterator[str]:
    """A table for a terminal, one line per method."""
    width = max(14, *(len(method.name) + 2 for method in metrics.methods))
    yield f"  {'noise':<{width}}{metrics.noise:>8g}"
    yield f"  {'method':<{width}}{'PSNR':>8}{'SSIM':>8}{'bound':>14}"
    for method in metrics.methods:
        psnr = "" if method.psnr is None else f"{method.psnr:.2f}"
        ssim = "" if method.ssim is None else f"{method.ssim:.3f}"
        bound = "none" if method.lipschitz_bound is None else format_up(method.lipschitz_bound)
        yield f"  {method.name:<{width}}{psnr:>8}{ssim:>8}{bound:>14}"


def results(metrics: ReconstructionMetrics) -> str:
    """The results for a model card."""
    methods = metrics.methods
    measured = [key for key in _COLUMNS if any(getattr(m, key) is not None for m in methods)]
    header = ["method", *(_COLUMNS[key][0] for key in measured)]
    rows = [[m.name, *(_shown(m, key) for key in measured)] for m in methods]
    text = (
        f"Means over {metrics.examples:,} test examples. The noise in the measurements is "
        f"{metrics.noise:g} times the root mean square of the exact ones"
    )
    if metrics.standard_deviation is not None:
        text += f", a standard deviation of {metrics.standard_deviation:.4g}"
    text += "."
    if metrics.perturbation is not None:
        text += (
            f" Movements are those of a reconstruction whose measurement moves by "
            f"{metrics.perturbation:.4g}: the certified one is never exceeded, the worst one was "
            "searched for and is an estimate from below"
        )
        if metrics.attacked_examples is not None:
            text += f", on {metrics.attacked_examples:,} examples"
        text += "."
    return f"{text}\n\n{table(header, rows)}"


def warning(metrics: ReconstructionMetrics) -> str:
    """What a user must not overlook in the results."""
    if metrics.methods[0].lipschitz_bound is not None:
        return ""
    return "**No bound is proven** for this model, and no movement of its output is excluded."


def evaluation_results(
    config: ModelConfig, metrics: ReconstructionMetrics, data: Mapping[str, object]
) -> list[dict[str, object]]:
    """The results as the Hub's `model-index` has them."""
    own = metrics.methods[0]
    values = [
        {"type": key, "name": _COLUMNS[key][0], "value": getattr(own, key)}
        for key in ("psnr", "ssim", "relative_error", "lipschitz_bound")
        if getattr(own, key) is not None
    ]
    task = {"type": pipeline_tag(config), "name": "reconstruction"}
    return [{"task": task, "dataset": {**data, "split": "test"}, "metrics": values}]


def pipeline_tag(config: ModelConfig) -> str:
    """The Hub's name of the task."""
    return "image-to-image"


def tags(metrics: ReconstructionMetrics | None) -> list[str]:
    """Tags on the Hub, beside those of every model."""
    return ["inverse-problems"]


def purpose(metrics: ReconstructionMetrics | None) -> str:
    """What such a model is for, where nothing more special is said."""
    return (
        "Reconstruction from measurements of the operator that it was trained for, with a proven "
        "bound on how far the reconstruction can move when the measurement moves."
    )


def usage(address: str, config: ModelConfig) -> str:
    """A program that loads the model and reconstructs."""
    if config.architecture == "Denoiser":
        return _usage_of_denoiser(address)
    return f"""\
import lipzoo
import numpy as np

model = lipzoo.load("{address}")
shape = (4, *model.input_shape[1:])
y = np.random.default_rng(0).random(shape, "float32")  # your measurements
print(lipzoo.lipschitz_bound(model))
x = model.predict(y, verbose=0)
# How far a reconstruction can move when its measurement moves by at most 0.1.
print(lipzoo.certify_reconstruction(model, y, noise_norm=0.1, verbose=0))
"""


def _usage_of_denoiser(address: str) -> str:
    return f"""\
import lipzoo
import numpy as np

image = np.random.default_rng(0).random((48, 64, 1), "float32")  # your grey image with noise
model = lipzoo.load("{address}", input_shape=image.shape)  # for images of any size
print(lipzoo.lipschitz_bound(model))
denoised = model.predict(image[None], verbose=0)[0]
# How far the denoised image can move when the noisy one moves by at most 0.1.
print(lipzoo.certify_reconstruction(model, image[None], noise_norm=0.1, verbose=0))
"""


def _shown(method: MethodResult, key: str) -> str:
    value = getattr(method, key)
    if value is None:
        return "none" if _COLUMNS[key][1] is None else ""
    form = _COLUMNS[key][1]
    return format_up(value, 5) if form is None else form.format(value)


def _is_filled(value: object) -> TypeGuard[dict[str, object]]:
    return is_object(value) and bool(value)


def _read_method(name: str, row: object, where: str | Path) -> MethodResult:
    prefix = f"test.methods.{name}."
    values = expect(row, is_object, "an object", prefix[:-1], where)
    what = "a number or null"
    results = {key: optional(values, key, is_number, what, where, prefix) for key in _COLUMNS}
    method = MethodResult(name, **results)
    certified, worst = method.certified_movement, method.worst_movement
    if certified is not None and worst is not None and worst > certified * (1 + 1e-6):
        what = f"at most the certified movement, {certified}"
        raise ValueError(f"{where}: {mismatch(f'{prefix}worst_movement', what, worst)}")
    return method
