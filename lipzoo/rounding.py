"""Directed float64 arithmetic, and a-priori bounds on the rounding error of a layer.

Everything here computes with plain Python floats. The helpers `add_up`, `mul_up`, ... return the
smallest float64 that is not below the exact real result, so a bound that is put together with them
stays a bound, and exact results stay exact: `mul_up(1.0, 1.0) == 1.0`.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

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


def mul_up(*values: float) -> float:
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
    return _round_up(math.prod(map(Fraction, values)))


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


def affine_rounding(
    fan_in: int,
    norm: float,
    partial_norm: float | None = None,
    bias_norm: float = 0.0,
    dtype: str = "float32",
    bias_last: bool = False,
) -> tuple[float, float]:
    """Bound on the rounding error of a dense layer or a convolution, `z = A x + b`.

    Returns `(slope, offset)` with, for every x and in Euclidean norm over the whole output tensor,

        ||fl(A x + b) - (A x + b)|| <= slope * ||x|| + offset
        slope = gamma_m (1 + k/sqrt(n)) nu,    offset = gamma_m ||b||,    m = n + k - 1

    or, where the bias is added to the finished sum, `offset = gamma_m ||b|| c / m` with c = 1
    (c = 2 in half precision),

    where n is the fan-in and `k = 1` in float32 and float64 (one rounding per product), and `k = 3`
    in half precision, where the kernel and the input are themselves rounded first (mixed
    precision). It is 10 to 25 times smaller than the usual bound by the norm of the matrix of
    absolute values, because it follows whole vectors through the summation and not single entries.

    Assumptions: every entry of the output is accumulated in the same order (the same binary
    summation tree over the `fan_in` products), in any order whatever, with or without fused
    multiply-add, the bias added at the end or at the start; arithmetic in `dtype` with rounding to
    nearest, without overflow or underflow. So: no TF32, no Winograd or Fourier convolution, no
    low-precision modes of oneDNN.

    Proof. Let S be a set of summands (for a dense layer: input coordinates j; for a convolution:
    pairs of a kernel tap and an input channel), `A_S` the sub-operator that keeps these summands,
    and `nu >= ||A_S||` for every S. A node v of the tree with leaves S computes, for all output
    entries at once, a vector whose exact value is `s_v = A_S x` (plus b, if the bias is in it).
    Its error `E_v` obeys `||E_v|| <= (1 + u)(||E_left|| + ||E_right||) + u ||s_v||`. A product
    leaf j has `||E_j|| <= ((1+u)^k - 1) ||A_j x||`, at most `k u (1+u)^(k-1) ||A_j x||`; the bias
    leaf is exact for k = 1, and off by at most `u ||b||` for k = 3. The tree has at most n + 1
    leaves and n additions, hence depth at most n, and

        ||E_root|| <= u (1+u)^(n+k-1) [ n (nu ||x|| + ||b||) + k sum_j ||A_j x|| + (k>1) ||b|| ].

    For the leaves, `sum_j ||A_j x|| <= sqrt(n) nu ||x||`: in a dense layer `||A_j x|| <= nu |x_j|`
    and Cauchy-Schwarz; in a convolution with nu the sum over the taps of the norm of each tap's
    matrix, `sum_taps sum_c ||K_tap[c]|| ||x_c|| <= sum_taps ||K_tap|| sqrt(channels) ||x||`.
    Finally `(1+u)^m <= 1 / (1 - m u)`, so that `n u (1+u)^m <= gamma_m`, and for k = 3, where the
    bias is rounded as well, `(n + 1) u (1+u)^m <= gamma_m`. When the bias comes last, `||b||`
    enters at the root alone, once for the addition and, for k = 3, once for its own rounding:
    `c u (1+u)^m <= c gamma_m / m`. End of proof.

    Which `partial_norm` is valid: a dense layer, and a convolution whose patches do not overlap
    (stride at least the kernel size): `||A||` itself, since removing columns of a matrix does not
    raise its norm. An overlapping convolution: `lipzoo.spectral.tap_norm_sum(kernel)`.

    Args:
        fan_in: number n of products per output entry (taps times input channels per group).
        norm: upper bound of `||A||`.
        partial_norm: nu, upper bound of the norm of every sub-operator (see above). `None`: norm.
        bias_norm: norm of the bias as it is added, at every position: `||b|| sqrt(positions)`.
        dtype: the layer's compute dtype.
        bias_last: whether the bias is known to be added after the sum is complete, as an operation
            of its own. `False`: anywhere in the sum.

    Returns:
        The pair `(slope, offset)`, rounded upwards; infinite when the sum is too long for dtype.

    Example:
        >>> slope, offset = affine_rounding(fan_in=784, norm=1.0, dtype="float32")
        >>> 4.8e-5 < slope < 4.9e-5, offset
        (True, 0.0)
    """
    if fan_in < 1:
        raise ValueError(f"Expected a fan_in of at least 1. Received: fan_in={fan_in}")
    leaf_roundings = 1 if unit_roundoff(dtype) <= unit_roundoff("float32") else 3
    constant = gamma(fan_in + leaf_roundings - 1, dtype)
    nu = norm if partial_norm is None else max(norm, partial_norm)
    leaves = div_up(float(leaf_roundings), _sqrt_down(fan_in))
    per_bias = constant
    if bias_last:
        roundings = 1.0 if leaf_roundings == 1 else 2.0
        per_bias = div_up(mul_up(constant, roundings), float(fan_in + leaf_roundings - 1))
    return mul_up(constant, add_up(1.0, leaves), nu), mul_up(per_bias, bias_norm)


def _all_finite(values: Iterable[float]) -> bool:
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


def _sqrt_down(n: int) -> float:
    root = sqrt_up(float(n))
    return root if Fraction(root) ** 2 == n else math.nextafter(root, 0.0)
