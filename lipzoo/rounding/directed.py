"""Directed float64 arithmetic.

The helpers `add_up`, `mul_up`, ... return the
smallest float64 that is not below the exact real result, so a bound that is put together with them
stays a bound, and exact results stay exact: `mul_up(1.0, 1.0) == 1.0`. What NumPy computed from
numbers of one sign is made a bound by `inflated` and `deflated`, from the number of operations.
"""

import math
from collections.abc import Collection
from fractions import Fraction
from typing import Any

import numpy as np

_UNIT_ROUNDOFF = {
    "float64": 2.0**-53,
    "float32": 2.0**-24,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
}
HALF_PRECISION = ("float16", "bfloat16")


def unit_roundoff(dtype: str) -> float:
    """Unit roundoff `u` of a floating point type, rounding to nearest.

    `fl(a + b) = (a + b)(1 + d)` with `|d| <= u`, and alike for products, quotients and roots, as
    long as nothing overflows or underflows.

    Args:
        dtype: `"float64"`, `"float32"`, `"float16"` or `"bfloat16"`.

    Raises:
        ValueError: for any other type.

    Example:
        >>> unit_roundoff("float32") == 2.0**-24
        True
    """
    try:
        return _UNIT_ROUNDOFF[str(dtype)]
    except KeyError:
        raise ValueError(
            f"Expected a floating point type among {sorted(_UNIT_ROUNDOFF)}. "
            f"Received: dtype={dtype!r}"
        ) from None


def gamma(n: int, dtype: str) -> float:
    """Higham's constant `gamma_n = n u / (1 - n u)`, rounded upwards; infinite when `n u >= 1`.

    A relative error made of `n` roundings, `(1 + d_1)...(1 + d_n) - 1` with `|d_i| <= u`, is at
    most `gamma_n` in absolute value (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).

    Args:
        n: number of roundings, at least 0.
        dtype: see `unit_roundoff`.

    Example:
        >>> gamma(0, "float32"), gamma(2048, "float16")
        (0.0, inf)
    """
    if n < 0:
        raise ValueError(f"Expected a number of roundings of at least 0. Received: n={n}")
    total = Fraction(n) * Fraction(unit_roundoff(dtype))
    return math.inf if total >= 1 else _round_up(total / (1 - total))


def add_up(*values: float) -> float:
    """Sum of non-negative floats, rounded upwards once.

    Example:
        >>> add_up(1.0, 1e-30) > 1.0
        True
    """
    if not _all_finite(values):
        return math.inf
    return _round_up(sum(map(Fraction, values), Fraction(0)))


def mul_up(*values: float | Fraction) -> float:
    """Product of non-negative floats, rounded upwards once; `0 * inf` counts as 0.

    (A map that is constant stays constant after a map without a known bound.)

    Example:
        >>> mul_up(1.0, 1.0), mul_up(0.0, math.inf)
        (1.0, 0.0)
    """
    _all_finite(values)
    if 0.0 in values:
        return 0.0
    if math.inf in values:
        return math.inf
    return _round_up(math.prod([Fraction(value) for value in values], start=Fraction(1)))


def div_up(numerator: float, denominator: float) -> float:
    """Quotient of non-negative floats, rounded upwards; infinite when the denominator is 0.

    Example:
        >>> div_up(1.0, 4.0)
        0.25
    """
    _all_finite((numerator, denominator))
    if numerator == 0.0:
        return 0.0
    if denominator == 0.0 or numerator == math.inf:
        return math.inf
    if denominator == math.inf:
        return 0.0
    return _round_up(Fraction(numerator) / Fraction(denominator))


def sqrt_up(value: float) -> float:
    """Square root of a non-negative float, rounded upwards.

    Example:
        >>> sqrt_up(4.0), sqrt_up(2.0) ** 2 >= 2.0
        (2.0, True)
    """
    return math.inf if not _all_finite((value,)) else _sqrt_up(Fraction(value))


def hypot_up(*values: float) -> float:
    """Root of the sum of squares of non-negative floats, rounded upwards.

    Example:
        >>> hypot_up(3.0, 4.0), hypot_up(0.1)
        (5.0, 0.1)
    """
    if not _all_finite(values):
        return math.inf
    return _sqrt_up(sum((Fraction(value) ** 2 for value in values), Fraction(0)))


def inflated(value: Any, operations: int) -> Any:
    """Upper bound of what float64 operations on numbers of one sign computed.

        value / (1 - u)^(n + 1) <= value · (1 + gamma_(n + 1)),      u = 2^-53

    Sums of numbers of one sign, products, quotients and roots of them keep relative errors: what n
    such operations, rounded to nearest, computed in a row differs from the exact result by at most
    n factors `1 + d` or `1 / (1 + d)`, `|d| <= u`, so that the exact one is at most
    `value / (1 - u)^n`. One more factor covers the product taken here. Of a sum of m terms, m - 1
    operations lie on the way of a term, whatever the order; what is computed side by side counts
    once. A function that is accurate to k units counts as 2k.

    Args:
        value: a float or an array, computed without overflow or underflow.
        operations: number n of roundings between the exact numbers and the value.

    Returns:
        A float for a number, else an array. 0 stays 0 and infinity stays infinite.

    Example:
        >>> inflated(0.1 + 0.2, operations=1) > 0.3, inflated(0.0, operations=9)
        (True, 0.0)
    """
    return _scaled(value, 1.0 + gamma(operations + 1, "float64"), math.inf)


def deflated(value: Any, operations: int) -> Any:
    """Lower bound of what float64 operations on numbers of one sign computed.

    `value (1 - (n + 1) u)`, which is at most `value (1 - u)^(n + 1)`; see `inflated`.

    Example:
        >>> deflated(0.1 + 0.2, operations=1) < 0.3
        True
    """
    if operations < 0:
        raise ValueError(f"Expected a number of operations. Received: operations={operations}")
    return _scaled(value, 1.0 - (operations + 1) * unit_roundoff("float64"), 0.0)


def _scaled(value: Any, factor: float, towards: float) -> Any:
    # The factor itself was rounded once, when it was added to 1.
    scaled = np.asarray(value, "float64") * math.nextafter(factor, towards)
    return scaled if scaled.ndim else float(scaled)


def _all_finite(values: Collection[float | Fraction]) -> bool:
    for value in values:
        if math.isnan(value) or value < 0:
            raise ValueError(f"Expected non-negative numbers. Received: values={tuple(values)}")
    return math.inf not in values


def _round_up(exact: Fraction) -> float:
    try:
        nearest = float(exact)
    except OverflowError:
        return math.inf
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, math.inf)


def _sqrt_up(exact: Fraction) -> float:
    if exact == 0:
        return 0.0
    # A power of four brings the argument near 1, so that neither it nor its root leaves the range.
    shift = (exact.numerator.bit_length() - exact.denominator.bit_length()) // 2
    try:
        root = math.ldexp(math.sqrt(exact / Fraction(4) ** shift), shift)
    except OverflowError:
        return math.inf
    while Fraction(root) ** 2 < exact:
        root = math.nextafter(root, math.inf)
        if root == math.inf:
            return root
    while Fraction(below := math.nextafter(root, 0.0)) ** 2 >= exact:
        root = below
    return root
