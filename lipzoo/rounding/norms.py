"""Euclidean norms, rounded upwards."""

import math
from typing import Any

import numpy as np

from lipzoo.rounding.directed import inflated, mul_up, sqrt_up


def norm_up(array, axis: int | None = None) -> Any:
    """Upper bound of the Euclidean norm of an array, or of its slices along one axis.

    Computed in float64 from entries scaled by a power of two, so that nothing overflows. Of n
    squares there are n roundings on the way of each, one of the root, and one more covers squares
    that underflow: `inflated(norm, n + 2)`.

    Args:
        array: numbers of any type that float64 holds exactly.
        axis: along which the norm is taken; `None` for that of all entries.

    Returns:
        A float, or an array without the axis. 0 stays 0.

    Example:
        >>> norm_up([0.1, 0.1]) > 0.1 * 2**0.5, norm_up(np.zeros((2, 3)), axis=1).tolist()
        (True, [0.0, 0.0])
    """
    array = np.asarray(array, "float64")
    if axis is None:
        array, axis = array.ravel(), 0
    largest = np.max(np.abs(array), axis=axis, keepdims=True, initial=0.0)
    scale = np.ldexp(1.0, np.minimum(np.frexp(largest)[1], 1023))
    norm = np.linalg.norm(array / scale, axis=axis) * scale.squeeze(axis)
    return inflated(norm, operations=array.shape[axis] + 2)


def repeated(norm: float, times: float | None) -> float:
    """Norm of a vector of norm `norm` that stands `times` times, rounded upwards.

    Infinite for unknown `times`; nothing, however often, is 0.

    Example:
        >>> repeated(2.0, 9), repeated(0.0, None), repeated(1.0, None)
        (6.0, 0.0, inf)
    """
    if norm == 0.0:
        return 0.0
    return math.inf if times is None else mul_up(norm, sqrt_up(float(times)))
