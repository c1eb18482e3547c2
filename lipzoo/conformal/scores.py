r"""How far an input is from having a class, in the units of the input: the conformal score.

    s(x, y) = max_{j ≠ y} (f_j(x) - f_y(x)) / L_yj

L_yj is a proven Lipschitz bound of `f_y - f_j`, as in `lipzoo.certify`: `L ||w_y - w_j||` behind
L-Lipschitz features, `sqrt(2) L` for logits that are jointly L-Lipschitz, L for a single logit f,
which stands for `(0, f)`. Pairs with `L_yj = 0`, whose difference is constant, are left out. Each
quotient is 1-Lipschitz in x, and so is the largest of them:

    |s(x', y) - s(x, y)| <= ||x' - x||_2.

Where y is the predicted class, `-s(x, y)` is its certified radius in exact arithmetic; where it is
another, `s(x, y)` bounds from below how far away the nearest input is that has it.
"""

import hashlib

import keras
import numpy as np

from lipzoo.bounds import LipschitzBound
from lipzoo.bounds.description import described, weights_by_identity
from lipzoo.certificates.architecture import weights_digest
from lipzoo.certificates.forward_pass import Evaluation, pair_head
from lipzoo.certificates.radius import head_slack, head_slopes
from lipzoo.certificates.rounding_error import Uncertainty
from lipzoo.rounding import inflated, mul_up, norm_up, sqrt_up


def pair_slopes(bound: LipschitzBound, outputs: int) -> np.ndarray:
    """The bounds L_yj of all pairs of classes, symmetric, 0 on the diagonal.

    Args:
        bound: of the model.
        outputs: number of logits.
    """
    head, classes = pair_head(bound), max(outputs, 2)
    if head is None:
        factor = 1.0 if outputs == 1 else sqrt_up(2.0)
        return mul_up(factor, bound.output.bound.value) * (1 - np.eye(classes))
    slopes = np.zeros((classes, classes))
    for label in range(classes):
        slopes[label, np.arange(classes) != label] = head_slopes(head, label)
    # A slope of either order bounds both.
    return np.minimum(slopes, slopes.T)


def score_bounds(found: Evaluation, slopes: np.ndarray, rounding: bool) -> tuple:
    """Lower and upper bounds of the exact scores of every class, from computed logits.

    The network in exact arithmetic has scores, which calibration and test examples share whatever
    their logits were rounded to; these bounds hold them. Every float64 operation is rounded
    outwards.

    Args:
        found: the model's logits at some inputs, and how far rounding may have moved them.
        slopes: L_yj, from `pair_slopes`.
        rounding: whether to account for rounding errors.

    Returns:
        Two arrays of shape `(examples, classes)`; infinite where nothing is known.
    """
    logits = found.logits.astype("float64")
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    uncertainty = found.at_x() if rounding else None
    head = pair_head(found.bound)
    norms = None if head is None else norm_up(head.kernel, axis=0)
    lower, upper = (np.full(logits.shape, end) for end in (-np.inf, -np.inf))
    for label in range(logits.shape[1]):
        others = np.flatnonzero(np.arange(logits.shape[1]) != label)
        slack = _slack(found, norms, label, uncertainty)
        moving = slopes[label, others] > 0
        if not moving.any():
            continue
        ahead = logits[:, others[moving]] - logits[:, [label]]
        slack = np.broadcast_to(slack, (len(logits), len(others)))[:, moving]
        rate = slopes[label, others[moving]]
        with np.errstate(invalid="ignore", over="ignore"):
            low = _down(_down(_down(ahead) - slack) / rate)
            high = _up(_up(_up(ahead) + slack) / rate)
        lower[:, label] = np.where(np.isnan(low), -np.inf, low).max(axis=1)
        upper[:, label] = np.where(np.isnan(high), np.inf, high).max(axis=1)
    return lower, upper


def network_digest(model: keras.Model) -> str:
    """A hash of the function that a model computes, in this process: what a calibration is about.

    Of its weights' values, its layers and their attributes. Layers that are neither Keras' nor
    lipzoo's may change without a trace, so of a model that has some only the weights count.
    """
    layers = described(model, weights_by_identity(model)) or b""
    types = [str(weight.dtype) for weight in model.weights]
    return hashlib.sha256(layers + f"{types} {weights_digest(model)}".encode()).hexdigest()


def check_network(model: keras.Model, digest: str) -> None:
    """Refuses a model that is not the network of its calibration.

    Raises:
        ValueError: see there.
    """
    if network_digest(model) != digest:
        raise ValueError(
            "Expected the model as it was calibrated: a coverage is guaranteed for the network "
            f"that calibration examples were scored with. Received: model '{model.name}', whose "
            "weights or layers were changed since; calibrate it again"
        )


def _slack(found: Evaluation, norms, label: int, uncertainty: Uncertainty | None):
    """What rounding can do to `f_j - f_y`, for all j but y in order."""
    if uncertainty is None:
        return 0.0
    head = pair_head(found.bound)
    if head is not None:
        return head_slack(head, norms, label, [uncertainty])
    factor = 1.0 if found.logits.shape[1] == 1 else sqrt_up(2.0)
    return inflated(factor * uncertainty.error, operations=1)[:, None]


def _down(values):
    return np.nextafter(values, -np.inf)


def _up(values):
    return np.nextafter(values, np.inf)
