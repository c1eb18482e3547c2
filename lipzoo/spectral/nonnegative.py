"""The norm of a matrix without negative entries, from products alone."""

import math
from collections.abc import Callable

import numpy as np

from lipzoo.rounding import inflated

_SMALLEST = 1e-30


def nonnegative_norm_bound(
    forward: Callable[[np.ndarray], np.ndarray],
    backward: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    operations: int,
    *,
    tolerance: float = 1e-6,
    iterations: int = 100,
) -> float:
    """Proven upper bound of ‖A‖ for a matrix A without negative entries.

        ‖A‖² = ρ(AᵀA) <= max_i (AᵀAv)_i / v_i         for every v > 0

    (Collatz and Wielandt.) The vector v comes from a power iteration, which makes the quotients
    equal; any other one would only make the bound larger. Columns of zeros are left out: where
    `(AᵀA𝟙)_i = 0`, no entry of A stands in column i.

    Args:
        forward: `v ↦ Av` for a float64 vector v, sums of products in any order.
        backward: `w ↦ Aᵀw`, alike.
        start: the first v, without negative entries; where it is 0, 1e-30 of its largest is taken.
        operations: number of roundings between exact numbers and an entry of `backward(forward(v))`
            at most: terms of a row and of a column, for products of stored entries.
        tolerance: the iteration stops when the quotients differ by less than this share.
        iterations: and after so many in any case.

    Returns:
        A float, the rounding of its evaluation in float64 included. 0 for a matrix of zeros.

    Reference: Varga, *Matrix Iterative Analysis*, doi:10.1007/978-3-642-05156-2, theorem 2.9.

    Example:

    >>> matrix = np.array([[3.0, 0.0, 0.0], [4.0, 1.0, 0.0]])
    >>> bound = nonnegative_norm_bound(matrix.__matmul__, matrix.T.__matmul__, np.ones(3), 5)
    >>> bool(0.0 <= bound / np.linalg.norm(matrix, 2) - 1.0 < 1e-6)
    True
    """
    met = backward(forward(np.ones_like(start))) > 0
    if not met.any():
        return 0.0
    v, best = _positive(start, met), math.inf
    for _ in range(iterations):
        following = backward(forward(v))
        quotients = following[met] / v[met]
        largest = float(quotients.max())
        best = min(best, largest)
        if largest <= (1.0 + tolerance) * float(quotients.min()):
            break
        v = _positive(following, met)
    # The quotient and the root.
    return float(inflated(math.sqrt(best), operations + 2))


def _positive(vector, met):
    """The vector scaled to the largest entry 1, positive where it counts and zero elsewhere."""
    scaled = vector / max(float(vector[met].max()), np.finfo(float).tiny)
    return np.where(met, np.maximum(scaled, _SMALLEST), 0.0)
