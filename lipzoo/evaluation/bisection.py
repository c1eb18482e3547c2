"""Bisection between inputs that keep their label and inputs that lose it."""

import numpy as np


def bisect(near: np.ndarray, away: np.ndarray, lost, steps: int) -> np.ndarray:
    """Returns inputs that lose their label, near the boundary that each segment crosses.

    Args:
        near: inputs that keep their label, shape `(n, ...)`.
        away: inputs that lose it, of the same shape; where one does not, it is returned as it is or
            as a point that does.
        lost: function from inputs to whether each loses its label, shape `(n,)`.
        steps: halvings of the segment.

    Example: the boundary is at 1.

    >>> bisect(np.array([0.0]), np.array([3.0]), lambda x: x > 1, steps=8).round(2).tolist()
    [1.01]
    """
    near, away = near.copy(), away.copy()
    for _ in range(steps):
        middle = ((near.astype("float64") + away) / 2).astype(near.dtype)
        is_lost = lost(middle)
        away[is_lost], near[~is_lost] = middle[is_lost], middle[~is_lost]
    return away
