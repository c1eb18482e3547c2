"""The finite-sample quantile of split conformal prediction, in exact arithmetic."""

import math
import numbers
from fractions import Fraction
from typing import Any

import numpy as np


def exact_level(alpha: Any) -> Fraction:
    """α as the decimal number that it is written as: 0.1 is a tenth, not the float nearest to it.

    Raises:
        ValueError: unless it is a number between 0 and 1.

    Example:
        >>> exact_level(0.1)
        Fraction(1, 10)
    """
    number = isinstance(alpha, numbers.Real) and not isinstance(alpha, bool | np.bool_)
    level = float(alpha) if number else math.nan
    if not 0 < level < 1:
        raise ValueError(
            "alpha, the share of examples that sets may miss, must be a number between 0 and 1. "
            f"Received: alpha={alpha!r}"
        )
    return alpha if isinstance(alpha, Fraction) else Fraction(repr(level))


def examples_needed(alpha: Fraction) -> int:
    """The fewest calibration examples for which there is a quantile: n with `(n + 1) α >= 1`.

    Example:
        >>> examples_needed(Fraction(1, 10)), examples_needed(Fraction(1, 1000))
        (9, 999)
    """
    return math.ceil(1 / alpha) - 1


def conformal_quantile(scores: np.ndarray, alpha: Fraction) -> float:
    """The k-th smallest of n scores, `k = ceil((n + 1) (1 - α))`.

    If n + 1 scores are exchangeable, the last is at most the k-th smallest of the others with
    probability at least `k / (n + 1) >= 1 - α`: it fails only where its rank among all n + 1 is
    above k, ties counted in its favour, and no rank is likelier than another. The quantile is
    monotone in every score, so upper bounds of scores give an upper bound of it.

    Args:
        scores: of the calibration examples, shape `(n,)`.
        alpha: α.

    Raises:
        ValueError: for fewer examples than `examples_needed`.

    Reference: Lei et al., arXiv 1604.04173; Angelopoulos and Bates, arXiv 2107.07511.

    Example:
        >>> conformal_quantile(np.arange(9.0), Fraction(1, 10))
        8.0
    """
    rank = math.ceil((len(scores) + 1) * (1 - alpha))
    if rank > len(scores):
        raise ValueError(
            f"Expected at least {examples_needed(alpha)} calibration examples for "
            f"alpha={float(alpha):g}. Received: {len(scores)}"
        )
    return float(np.partition(scores, rank - 1)[rank - 1])
