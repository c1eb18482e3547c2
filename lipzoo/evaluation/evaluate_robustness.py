"""Evaluates a classifier: clean, certified and attacked accuracy over ε."""

import functools
import numbers
import warnings
from collections.abc import Sequence
from typing import Any, cast

import keras
import numpy as np

from lipzoo.certificates import certify
from lipzoo.certificates.certify import check_model
from lipzoo.certificates.inputs import check_inputs, check_labels
from lipzoo.data.stratification import stratified_sample
from lipzoo.evaluation.adversarial_search import Search
from lipzoo.evaluation.attacks import Target, resolve
from lipzoo.evaluation.margins import margin_scale
from lipzoo.evaluation.robustness import CertificateViolation, Robustness
from lipzoo.validation import finite_number, integer, values_outside
from lipzoo_catalogue.formatting import parse_fraction


def evaluate_robustness(
    model: keras.Model,
    x: Any,
    y: Any,
    epsilons: Sequence[float | str] = (0.1, "36/255", 0.25, 0.5, 1.0),
    attacks: Any = ("pgd", "boundary"),
    *,
    samples: int | None = None,
    seed: int = 0,
    reference: Any = "auto",
    clip: Any = "auto",
    attack_certified: bool = False,
    batch_size: int = 256,
    verbose: int | str = "auto",
) -> Robustness:
    """Measures clean, certified and attacked accuracy over a grid of ε, and that they agree.

    Every example is certified (`lipzoo.certify`). The attacks then look for an input within ε at
    which the label is lost, at the examples whose fate at ε is open: classified correctly, of
    radius at most ε, and not broken within ε by what was found before. Whatever an attack returns,
    its distance is recomputed in float64 and its prediction by `model.predict`; the example itself
    is among the tries. Hence, for every example and every ε,

        certified  <=  attacked  <=  clean

    unless an adversarial input lies within a certified radius. That would be a bug, and raises.
    Attacked accuracy is an upper estimate: what was not broken may still be broken by others.

    The default attacks are lipzoo's projected gradient ascent, 100 steps from 5 starts, and a walk
    along the boundary that needs no gradients (foolbox). Others are named in
    `lipzoo.evaluation.attacks.ATTACKS`: `foolbox-pgd`, `deepfool`, `carlini-wagner` (foolbox),
    `auto-pgd`, `square` (ART). Cheap ones first save the others work. Attacks of foolbox and ART
    seed the backend's global random state (on JAX foolbox has one of its own, which nothing seeds).

    Args:
        model: built `keras.Model` with one input and logits as output.
        x: array of examples.
        y: their labels, as integers or one-hot.
        epsilons: l2 radii in the units of x, as numbers or as text such as `"36/255"`.
        attacks: names, or `lipzoo.evaluation.attacks.Attack`s with settings of their own.
        samples: evaluate only so many examples, to which every class gives its share; `None` for
            all.
        seed: seed of the sample and of the attacks.
        reference: see `lipzoo.certify`.
        clip: smallest and largest value that an input may take, or `None` for any. `"auto"` is the
            range that a model of the zoo documents, and (0, 1) for other models.
        attack_certified: whether to attack also what is certified at ε. That cannot change the
            accuracies; it puts every certificate to the test, for the time of as many attacks more.
        batch_size: examples evaluated and attacked at once.
        verbose: whether to show progress on stderr; `"auto"` does on a terminal.

    Returns:
        A `Robustness`, which prints as a table and draws itself.

    Raises:
        CertificateViolation: if a certificate was refuted; it names the examples and holds the
            `Robustness`.
        ImportError: if the library of an attack is not installed, before any work.
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: for radii, data, labels or settings that do not fit, before any work.
        TypeError: for what is no model, no array of numbers or no attack.

    Example: the boundary of `f(x) = (x, 0)` is at 0, so 0.5 withstands 0.25 and falls to 0.75.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.array([[1.0, 0.0]])])
    >>> x, y = np.array([[0.5]]), [0]
    >>> robustness = evaluate_robustness(model, x, y, [0.25, 0.75], "pgd", clip=None)
    >>> robustness.certified.tolist(), robustness.attacked.tolist()
    ([1.0, 0.0], [1.0, 0.0])
    """
    chosen_attacks = resolve(attacks)
    radii = _radii(epsilons)
    check_model(model)
    batch_size = integer(batch_size, "batch_size")
    x, labels = _check_data(model, x, y)
    index, seed = np.arange(len(x)), integer(seed, "seed", minimum=0)
    if samples is not None:
        index = stratified_sample(labels, _check_samples(samples, len(x)), seed)
    total, x, labels = len(x), x[index], labels[index]
    clip = _check_box(model, x, clip)
    for attack in chosen_attacks:
        attack.check(Target(model, x, labels, clip, batch_size))

    certificate = certify(model, x, labels, reference=reference, batch_size=batch_size, verbose=0)
    scale = margin_scale(certificate.logits)
    target = Target(model, x, certificate.prediction, clip, batch_size, scale)
    spared = np.zeros(len(x)) if attack_certified else certificate.radius
    search = Search(target, labels, spared, seed, verbose)
    for number, attack in enumerate(chosen_attacks):
        search.run(number, attack, np.array(list(radii.values())))
    robustness = Robustness(
        epsilons=radii,
        index=index,
        total=total,
        seed=seed,
        labels=labels,
        prediction=certificate.prediction,
        radius=certificate.radius,
        distance=search.distance,
        inputs=search.inputs,
        found_by=search.found_by,
        attacks=tuple(map(str, chosen_attacks)),
        bound=certificate.bound,
    )
    _check_sandwich(robustness)
    return robustness


@functools.wraps(evaluate_robustness)
def evaluate(*args, **kwargs) -> Robustness:
    """The name that `evaluate_robustness` had up to 0.1."""
    warnings.warn(
        "lipzoo.evaluate is called lipzoo.evaluate_robustness since 0.2; the old name will go.",
        DeprecationWarning,
        stacklevel=2,
    )
    return evaluate_robustness(*args, **kwargs)


def _check_sandwich(robustness):
    broken = robustness.violations
    if not len(broken):
        return
    place = int(np.flatnonzero(robustness.index == broken[0])[0])
    raise CertificateViolation(
        f"{len(broken)} certificates are refuted, which is a bug: expected no adversarial input "
        f"within a certified radius. Received: example {broken[0]} of radius "
        f"{robustness.radius[place]:.9g}, broken at distance {robustness.distance[place]:.9g} by "
        f"{robustness.found_by[place]!r}; all of them: {broken.tolist()}",
        robustness,
    )


def _radii(epsilons: Any):
    """The radii by their names, increasing."""
    is_one = isinstance(epsilons, str | numbers.Real) or not hasattr(epsilons, "__iter__")
    several: Any = cast(Any, epsilons)
    wanted = [epsilons] if is_one or np.shape(several) == () else list(several)
    if not wanted:
        raise ValueError(f"Expected at least one epsilon. Received: epsilons={epsilons!r}")
    radii = {}
    for epsilon in wanted:
        number = parse_fraction(epsilon) if isinstance(epsilon, str) else epsilon
        radii[str(epsilon)] = finite_number(number, "epsilon")
    return dict(sorted(radii.items(), key=lambda item: item[1]))


def _check_data(model, x, y):
    """Examples in the dtype of the model's input, and labels from 0 to its number of classes."""
    arrays = check_inputs(model, x)
    if len(arrays) != 1:
        raise ValueError(f"Expected a model with one input. Received: {len(arrays)} inputs")
    dtype = "float64" if model.inputs[0].dtype == "float64" else "float32"
    return arrays[0].astype(dtype), check_labels(y, len(arrays[0]), model.output_shape[-1])


def _check_samples(samples, available):
    whole = isinstance(samples, numbers.Integral) and not isinstance(samples, bool)
    if not whole or not 1 <= int(samples) <= available:
        raise ValueError(
            f"Expected samples to be a whole number from 1 to {available}, the examples there are. "
            f"Received: samples={samples!r}"
        )
    return int(samples)


def _check_box(model, x, clip):
    """Smallest and largest value of an input, or `None`, with the examples between them."""
    if isinstance(clip, str):
        if clip != "auto":
            raise ValueError(f"Expected clip to be a pair, None or 'auto'. Received: clip={clip!r}")
        documented = getattr(model, "lipzoo_preprocessing", None) or {"minimum": 0, "maximum": 1}
        clip = documented.get("minimum"), documented.get("maximum")
    if clip is None or (isinstance(clip, tuple | list) and None in clip):
        return None
    ends: Any = clip
    try:
        low, high = map(float, ends)
    except (TypeError, ValueError):
        low = high = np.nan
    if not low < high:
        raise ValueError(f"Expected clip to be (smallest, largest). Received: clip={clip!r}")
    outside = values_outside(x, low, high)
    if outside:
        raise ValueError(
            f"Expected x in the box of the attacks, from {low:g} to {high:g}; another one is given "
            f"by clip. Received: {outside}"
        )
    # An attack may not leave the box, nor may it begin outside: a rounding widens it.
    return min(low, float(x.min())), max(high, float(x.max()))
