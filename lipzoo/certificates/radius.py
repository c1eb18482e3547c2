"""From logits, bounds and rounding errors to certified radii."""

from typing import Any

import numpy as np

from lipzoo.bounds.model_bound import LinearHead
from lipzoo.bounds.tensor_bound import TensorBound
from lipzoo.certificates.rounding_error import Uncertainty
from lipzoo.rounding import affine_rounding, deflated, inflated, mul_up, norm_up, sqrt_up


def radii_of_pairs(margin, slope, slack) -> np.ndarray:
    """Radius within which a computed margin stays positive.

    The margin of one pair of logits is computed at x with an error of at most e, at every x' of a
    ball with one of at most e'; in exact arithmetic it is `slope`-Lipschitz. At x' with
    `||x' - x|| <= r` inside that ball the *computed* margin is therefore at least

        margin - e - slope r - e'

    which is positive for `r < (margin - slack) / slope` with the slack `e + e'`.

    Args:
        margin: computed margins, at least 0, differences of two float64 numbers; shape
            `(examples, ...)`.
        slope: Lipschitz bounds that broadcast with `margin`.
        slack: `e + e'`, broadcasting with `margin`; 0 for exact arithmetic.

    Returns:
        The radii: 0 where nothing can be certified, infinite where the margin cannot move at all.

    Example:
        >>> radius = radii_of_pairs(np.array([1.0, 0.0, 1.0]), np.array([2.0, 2.0, 0.0]), 0)
        >>> radius.round(6).tolist()
        [0.5, 0.0, inf]
    """
    rate = np.broadcast_to(np.asarray(slope), np.shape(margin))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # The difference in the margin, that from the slack, the quotient.
        left = deflated(deflated(margin, operations=1) - np.asarray(slack), operations=1)
        radius = np.where(rate > 0, deflated(left / rate, operations=1), np.inf)
    return np.where(left > 0, np.nan_to_num(radius, nan=0.0, posinf=np.inf), 0.0)


def general_radius(logits, prediction, output: TensorBound, uncertainties) -> tuple:
    """`min_j (f_y - f_j) / (sqrt(2) L)`, for jointly L-Lipschitz logits, less the slack.

    Args:
        logits: computed logits, shape `(examples, classes)`.
        prediction: y, the predicted class of every example.
        output: bounds of the logits.
        uncertainties: what rounding can do to the logits, an `Uncertainty` at x and one in the
            ball.

    Returns:
        `(radius, rival)`, the rival being the class j that attains the minimum, -1 where the
        radius is infinite.
    """
    rows = np.arange(len(logits))
    rest = np.array(logits)
    rest[rows, prediction] = -np.inf
    root = sqrt_up(2.0)
    slack = inflated(root * _summed_errors(uncertainties), operations=1)
    margin = logits[rows, prediction] - np.max(rest, axis=1)
    radius = radii_of_pairs(margin, mul_up(root, output.bound.value), slack)
    return radius, np.where(np.isfinite(radius), rest.argmax(axis=1), -1)


def sign_radius(logits, prediction, output: TensorBound, uncertainties, slopes=None) -> tuple:
    """`|f| / L` for a single logit whose sign is the prediction, less the slack; and the rival.

    With `slopes`, of shape `(examples, 1)`, the smaller of both is taken for L.
    """
    slack = _summed_errors(uncertainties)
    margin = np.where(prediction == 1, 1.0, -1.0) * logits[:, 0]
    slope: Any = output.bound.value
    if slopes is not None:
        slope = np.minimum(slopes[:, 0], slope)
    radius = radii_of_pairs(margin, slope, slack)
    return radius, np.where(np.isfinite(radius), 1 - prediction, -1)


def head_radius(logits, prediction, head: LinearHead, uncertainties, slopes=None) -> tuple:
    """`min_j (f_y - f_j) / (L ||w_y - w_j||)` for logits `W^T h + b` of L-Lipschitz features h.

    The slack of the pair (y, j), at x and once more in the ball: an error of norm e in h moves the
    difference by at most `||w_y - w_j|| e`, and the head's own sums for y and j err by at most
    `rho (||w_y|| + ||w_j||) ||h|| + beta (|b_y| + |b_j|)`, `(rho, beta)` from `affine_rounding`.
    Equal columns give 0 or infinity by the sign of the difference of the biases.

    Args:
        logits: computed logits, shape `(examples, classes)`.
        prediction: y, the predicted class of every example.
        head: the last layer.
        uncertainties: what rounding can do to h, an `Uncertainty` at x and one in the ball.
        slopes: upper bounds of the slope of `f_y - f_j` for each example, shape
            `(examples, classes)`, of which the smaller one counts; or `None`.

    Returns:
        `(radius, rival)` as in `general_radius`.
    """
    radius = np.full(len(logits), np.inf)
    rival = np.full(len(logits), -1)
    norms = norm_up(head.kernel, axis=0)
    for label in np.unique(prediction):
        rows = np.flatnonzero(prediction == label)
        others = np.flatnonzero(np.arange(logits.shape[1]) != label)
        own = [
            Uncertainty(features.error[rows], features.norm[rows], features.dtype)
            for features in uncertainties
        ]
        margin = logits[rows, label][:, None] - logits[np.ix_(rows, others)]
        slack = head_slack(head, norms, label, own)
        rate = head_slopes(head, label)
        if slopes is not None:
            rate = np.minimum(rate, slopes[np.ix_(rows, others)])
        pairs = radii_of_pairs(margin, rate, slack)
        radius[rows] = pairs.min(axis=1)
        rival[rows] = others[pairs.argmin(axis=1)]
    return radius, np.where(np.isfinite(radius), rival, -1)


def head_slopes(head: LinearHead, label: int) -> np.ndarray:
    """Lipschitz bounds `L ||w_y - w_j||` of `f_y - f_j`, for all j but y, in order."""
    return head.movement(_differences(head, label))


def head_slack(head: LinearHead, norms, label: int, uncertainties) -> np.ndarray:
    """What rounding can do to `f_y - f_j`, see `head_radius`.

    Args:
        head: the last layer.
        norms: upper bounds of `||w_j||`.
        label: y.
        uncertainties: what rounding can do to h, `Uncertainty`s whose effects add up.

    Returns:
        Upper bounds, shape `(examples, classes - 1)`: for all j but y, in order.
    """
    distance = inflated(norm_up(_differences(head, label), axis=0), operations=1)
    biases = np.abs(head.bias)
    sizes = np.delete(norms, label) + norms[label]
    biases = np.delete(biases, label) + biases[label]
    slack = sum(head_error(head, distance, sizes, biases, each) for each in uncertainties)
    # A sum and two products, two sums for the terms, and the sums of uncertainties.
    return inflated(slack, operations=5 + len(uncertainties))


def _differences(head: LinearHead, label: int) -> np.ndarray:
    others = np.arange(head.kernel.shape[1]) != label
    return head.kernel[:, others] - head.kernel[:, [label]]


def head_error(head: LinearHead, distance, sizes, biases, features: Uncertainty) -> np.ndarray:
    """What rounding can do to a combination `c^T (W^T h + b)` of outputs of a linear head.

        distance e + rho sizes ||h|| + beta biases,     (rho, beta) from `affine_rounding`

    An error of norm e in h counts `||W c||`, and the head's own sum for output j errs by at most
    `rho ||w_j|| ||h|| + beta |b_j|`, whatever its order. What float64 loses here is left to the
    caller: three operations for a product, two for the sums.

    Args:
        head: the last layer.
        distance: upper bounds of `||W c||`, one per combination.
        sizes: of `sum_j |c_j| ||w_j||`.
        biases: of `sum_j |c_j b_j|`.
        features: what rounding can do to h.

    Returns:
        Shape `(examples, combinations)`; infinite in a type that is too short for the sum.
    """
    own, own_bias = 0.0, 0.0
    if features.dtype is not None:
        # A single sum, in whatever order.
        own, own_bias = affine_rounding(
            len(head.kernel), 1.0, bias_norm=1.0, dtype=features.dtype, outputs=1
        )
    with np.errstate(invalid="ignore"):
        terms = distance * features.error[:, None] + own * sizes * features.norm[:, None]
        terms = terms + own_bias * biases
    # own is infinite in a type too short for the sum, and inf times 0 is not a number.
    return np.nan_to_num(terms, nan=np.inf, posinf=np.inf)


def _summed_errors(uncertainties):
    errors = sum(uncertainty.error for uncertainty in uncertainties)
    return inflated(errors, operations=len(uncertainties))
