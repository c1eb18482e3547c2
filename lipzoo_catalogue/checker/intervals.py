"""Intervals of non-negative numbers, rounded outwards: the arithmetic of the checker."""

import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Interval:
    """Two floats `low <= high` with a real number, at least 0, between them.

    Every operation is carried out exactly on both ends and then rounded outwards, so the result
    encloses the result of the operation on the number itself; what float64 represents stays exact.

    Raises:
        ValueError: unless `0 <= low <= high`.

    >>> third = Interval.exactly(1.0) / Interval.exactly(3.0)
    >>> 3 * Fraction(third.low) < 1 < 3 * Fraction(third.high)
    True
    >>> Interval.exactly(0.5) * Interval.exactly(2.0)
    Interval(low=1.0, high=1.0)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"Expected 0 <= low <= high. Received: {self.low!r}, {self.high!r}")

    @classmethod
    def exactly(cls, value: float) -> "Interval":
        """The interval of one number."""
        return cls(float(value), float(value))

    @classmethod
    def between(cls, low: Fraction, high: Fraction) -> "Interval":
        """The smallest interval of floats around two rational numbers; below 0 counts as 0."""
        return cls(max(_down(low), 0.0), _up(high))

    @property
    def rounding(self) -> float:
        """The relative width `high / low - 1`."""
        if self.high == self.low:
            return 0.0
        return math.inf if self.low == 0 else self.high / self.low - 1.0

    def __add__(self, other: "Interval") -> "Interval":
        return _outwards(operator.add, (self.low, other.low), (self.high, other.high))

    def __mul__(self, other: "Interval") -> "Interval":
        return _outwards(operator.mul, (self.low, other.low), (self.high, other.high))

    def __truediv__(self, other: "Interval") -> "Interval":
        if other.low == 0:
            raise ZeroDivisionError(f"Expected a divisor above 0. Received: {other}")
        return _outwards(_divide, (self.low, other.high), (self.high, other.low))

    def minus_one(self) -> "Interval":
        """`x - 1`, or 0 where that is below."""
        return _outwards(operator.sub, (self.low, 1.0), (max(self.high, 1.0), 1.0))

    def maximum(self, other: "Interval") -> "Interval":
        """The larger one of both numbers."""
        return Interval(max(self.low, other.low), max(self.high, other.high))

    def power(self, exponent: int) -> "Interval":
        """`xⁿ` for n >= 0."""
        result = Interval.exactly(1.0)
        for _ in range(exponent):
            result = result * self
        return result

    def sqrt(self) -> "Interval":
        """The square root."""
        low, high = math.sqrt(self.low), math.sqrt(self.high)
        if math.isfinite(low) and Fraction(low) ** 2 > Fraction(self.low):
            low = math.nextafter(low, 0.0)
        if math.isfinite(high) and Fraction(high) ** 2 < Fraction(self.high):
            high = math.nextafter(high, math.inf)
        return Interval(low, high)


def _divide(a: Any, b: Any) -> Any:
    return a / b


def _outwards(
    operation: Callable[[Any, Any], Any], low: tuple[float, float], high: tuple[float, float]
) -> Interval:
    """The result on the lower ends, rounded down, and on the upper ends, rounded up."""
    if math.inf in (*low, *high):
        return Interval(operation(*low), operation(*high))
    return Interval.between(operation(*map(Fraction, low)), operation(*map(Fraction, high)))


def _down(exact: Fraction) -> float:
    try:
        nearest = float(exact)
    except OverflowError:
        return sys.float_info.max
    return nearest if Fraction(nearest) <= exact else math.nextafter(nearest, -math.inf)


def _up(exact: Fraction) -> float:
    try:
        nearest = float(exact)
    except OverflowError:
        return math.inf
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, math.inf)
