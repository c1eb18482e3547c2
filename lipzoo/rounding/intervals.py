"""Interval arithmetic in float64, rounded outwards."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lipzoo.rounding.directed import gamma, inflated

# More than what products that underflow can lose, whatever their number.
_UNDERFLOW = 1e-290


@dataclass(frozen=True, eq=False)
class Interval:
    """Entrywise intervals `low <= t <= high` of real numbers.

    Every operation contains what it does to any numbers of its operands: each float64 result,
    rounded to nearest, is moved to its neighbour outwards. Without a bound is an infinite end.

    Attributes:
        low, high: arrays of one shape, float64, without NaN.

    Example:
        >>> sum = Interval.of(0.1) + Interval.of(0.2)
        >>> from fractions import Fraction
        >>> exact = Fraction(0.1) + Fraction(0.2)
        >>> Fraction(float(sum.low)) < exact < Fraction(float(sum.high))
        True
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "Interval":
        """Numbers that are known exactly."""
        array = np.asarray(values, "float64")
        return cls(array, array)

    @classmethod
    def between(cls, low: npt.ArrayLike, high: npt.ArrayLike) -> "Interval":
        """The same interval for all entries, or arrays that broadcast to one shape."""
        return cls(*np.broadcast_arrays(np.asarray(low, "float64"), np.asarray(high, "float64")))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the arrays."""
        return self.low.shape

    @property
    def rank(self) -> int:
        """Number of their axes."""
        return self.low.ndim

    def __add__(self, other: "Interval") -> "Interval":
        with np.errstate(over="ignore", invalid="ignore"):
            return _outwards(self.low + other.low, self.high + other.high)

    def __sub__(self, other: "Interval") -> "Interval":
        return self + Interval(-other.high, -other.low)

    def __mul__(self, other: "Interval") -> "Interval":
        with np.errstate(over="ignore", invalid="ignore"):
            ends = [
                # An end may be infinite; 0 times any number of an unbounded interval is 0.
                np.nan_to_num(one * two, nan=0.0, posinf=np.inf, neginf=-np.inf)
                for one in (self.low, self.high)
                for two in (other.low, other.high)
            ]
        return _outwards(np.minimum.reduce(ends), np.maximum.reduce(ends))

    def inverse(self) -> "Interval":
        """`1 / t`, for positive intervals."""
        with np.errstate(divide="ignore", over="ignore"):
            return _outwards(1.0 / self.high, 1.0 / self.low)

    def root(self) -> "Interval":
        """`sqrt(t)`, for intervals of at least 0."""
        return _outwards(np.sqrt(np.maximum(self.low, 0.0)), np.sqrt(self.high))

    def clip(self, low: float, high: float) -> "Interval":
        """`min(max(t, low), high)`, which also cuts off what a function never returns."""
        return Interval(np.clip(self.low, low, high), np.clip(self.high, low, high))

    def hull(self, other: "Interval") -> "Interval":
        """What contains both."""
        return Interval(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def meet(self, other: "Interval") -> "Interval":
        """What is known of numbers that lie in both."""
        return Interval(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    def collapsed(self, axes: tuple[int, ...]) -> "Interval":
        """The hull along axes, which keep the size 1."""
        low = self.low.min(axis=axes, keepdims=True)
        return Interval(low, self.high.max(axis=axes, keepdims=True))

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> "Interval":
        """Both arrays put into another shape."""
        return Interval(function(self.low), function(self.high))

    def largest(self) -> np.ndarray:
        """Upper bounds of `|t|`."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


def _outwards(low: np.ndarray, high: np.ndarray) -> Interval:
    # A sum of infinities of both signs is no number, and bounds nothing.
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    return Interval(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))


def image_of_matrix(kernel: np.ndarray, values: Interval) -> Interval:
    """`t K` for rows t of entries in intervals.

        c K - |K|^T r - e <= t K <= c K + |K|^T r + e,     [c - r, c + r] around the intervals

    The products with the centres c err by at most `e = gamma_n |c| |K|`, those with r by a factor.

    Args:
        kernel: shape `(n, outputs)`, float64, exact.
        values: shape `(..., n)`.

    Returns:
        Shape `(..., outputs)`.

    Example:
        >>> image = image_of_matrix(np.array([[1.0], [-2.0]]), Interval.between([0, 0], [1, 1]))
        >>> bool(image.low[0] < -2.0 and 1.0 < image.high[0] < 1.0 + 1e-12)
        True
    """
    summands = kernel.shape[0]
    with np.errstate(over="ignore", invalid="ignore"):
        centre = values.low / 2 + values.high / 2
        radius = np.maximum(values.high - centre, centre - values.low)
        # A difference; the ends of a number that is known are the number.
        radius = np.where(values.low == values.high, 0.0, np.nextafter(radius, np.inf))
        centre = np.where(values.low == values.high, values.low, centre)
        weights = np.abs(kernel)
        spread = radius @ weights
        error = gamma(summands, "float64") * (np.abs(centre) @ weights)
        slack = inflated(spread + error, operations=summands + 3) + _UNDERFLOW
        middle = centre @ kernel
        return _outwards(middle - slack, middle + slack)
