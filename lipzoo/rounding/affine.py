"""A-priori bounds on the rounding error of dense layers and convolutions."""

import math

from lipzoo.rounding.directed import add_up, div_up, gamma, mul_up, sqrt_up, unit_roundoff

# How many orders of summation the outputs of one layer may have for one example, of all kernels and
# threads together. Three at most were found, in products with TensorFlow on a CPU.
ORDERS = 4


def affine_rounding(
    fan_in: int,
    norm: float,
    partial_norm: float | None = None,
    bias_norm: float = 0.0,
    dtype: str = "float32",
    bias_last: bool = False,
    *,
    outputs: float = math.inf,
    absolute_norm: float = math.inf,
    orders: float = ORDERS,
) -> tuple[float, float]:
    """Bound on the rounding error of a dense layer or a convolution, `z = A x + b`.

    Returns `(slope, offset)` with, for every x and in Euclidean norm over the whole output tensor,

        ||fl(A x + b) - (A x + b)|| <= slope * ||x|| + offset
        slope = gamma_m (c + k l / n),     offset = gamma_m ||b||,      m = n + k - 1
        c = (||A|| + min(sqrt(g) nu, ||| |A| |||)) / 2,   l = min(sqrt(n) nu, ||| |A| |||)

    or, where the bias is added to the finished sum, `offset = gamma_m ||b|| i / m` with i = 1
    (i = 2 in half precision),

    where n is the fan-in, g the number of orders of summation among the outputs, `||| |A| |||` the
    norm of the matrix of absolute values, and `k = 1` in float32 and float64 (one rounding per
    product), `k = 3` in half precision, where the kernel and the input are themselves rounded first
    (mixed precision). For g = 4 it is 5 to 15 times smaller than the usual bound by `||| |A| |||`
    alone, because it follows whole vectors through the summation and not single entries.

    Assumptions: every output is accumulated in some order (a binary summation tree over its
    products), with or without fused multiply-add, the bias added at the end or at the start. Of
    these orders at most g differ among the outputs for one example, whatever they are, whichever
    outputs share one, and whether or not they are the same for other examples, batches or calls:
    kernels for a few columns that are left over, or for a block of a thread, have orders of their
    own. With a finite `absolute_norm`, or with no more outputs than g, nothing is assumed of the
    number of orders. Arithmetic in `dtype` with rounding to nearest, without overflow or underflow.
    So: no TF32, no Winograd or Fourier convolution, no low-precision modes of oneDNN.

    Proof. Output i has the row `a_i` of A, a tree `T_i` and at each node v of it, with the leaves
    S, the exact value `s_v = a_i x_S` (plus `b_i`, if the bias is in it), x_S being x with the
    other summands removed. The error there obeys `|E_v| <= (1+u)(|E_left| + |E_right|) + u |s_v|`.
    A product leaf j has the error `((1+u)^k - 1) |a_ij x_j|`, at most `k u (1+u)^(k-1) |a_ij x_j|`;
    the bias leaf is exact for k = 1, and off by at most `u |b_i|` for k = 3. A tree has at most n
    additions and depth at most n. Number the additions from 1 to n alike in equal trees; then

        |E_i| <= u (1+u)^(n+k-1) [ sum_v |s_v| + k sum_j |a_ij x_j| + (k>1) |b_i| ].

    Take Euclidean norms over the outputs i. The v-th additions have one set S_q for each of the g
    orders q. Write `x_S = (x + D x) / 2` with a diagonal D of signs, +1 on S and -1 elsewhere:

        |s_v| <= |a_i x| / 2 + |a_i D_q x| / 2 + |b_i|,     q the order of output i.

    The first terms have together the norm `||A x|| / 2`, the last ones `||b||`. Among the second,
    the outputs of one order have at most the norm `||A D_q x|| / 2 <= nu ||x|| / 2`, all g orders
    together at most `sqrt(g) nu ||x|| / 2`; and `|a_i D_q x| <= |a_i| |x|`, so they have at most
    `||| |A| ||| ||x|| / 2`. The norm of the v-th additions is therefore at most `c ||x|| + ||b||`.
    For the products, `|| (sum_j |a_ij x_j|)_i ||` is at most `||| |A| ||| ||x||`, and at most
    `sum_j ||A_j x|| <= sqrt(n) nu ||x||`: in a dense layer `||A_j x|| <= nu |x_j|` and
    Cauchy-Schwarz; in a convolution with nu the sum over the taps of the norm of each tap's
    matrix, `sum_taps sum_c ||K_tap[c]|| ||x_c|| <= sum_taps ||K_tap|| sqrt(channels) ||x||`.
    Finally `(1+u)^m <= 1 / (1 - m u)`, so that `n u (1+u)^m <= gamma_m`, and for k = 3, where the
    bias is rounded as well, `(n + 1) u (1+u)^m <= gamma_m`. When the bias comes last, `||b||`
    enters at the root alone, once for the addition and, for k = 3, once for its own rounding:
    `i u (1+u)^m <= i gamma_m / m`. End of proof.

    Which `partial_norm` is valid: a bound of the norm of A with any signs on its summands (for a
    dense layer: input coordinates j; for a convolution: pairs of a kernel tap and an input
    channel), on any part of its outputs. A dense layer, and a convolution whose patches do not
    overlap (stride at least the kernel size): `||A||` itself, since signs of the columns of a
    matrix do not change its norm. An overlapping convolution: `lipzoo.spectral.tap_norm_sum`.

    Args:
        fan_in: number n of products per output entry (taps times input channels per group).
        norm: upper bound of `||A||`.
        partial_norm: nu, see above. `None`: norm.
        bias_norm: norm of the bias as it is added, at every position: `||b|| sqrt(positions)`.
        dtype: the layer's compute dtype.
        bias_last: whether the bias is known to be added after the sum is complete, as an operation
            of its own. `False`: anywhere in the sum.
        outputs: number of entries of the output; more orders than that there cannot be.
        absolute_norm: upper bound of the norm of the matrix of absolute values, for instance from
            `lipzoo.spectral.absolute_norm_bound`; infinite where it is not known.
        orders: g; infinite for a bound that assumes nothing of it.

    Returns:
        The pair `(slope, offset)`, rounded upwards; infinite when the sum is too long for dtype.

    Example:
        >>> slope, offset = affine_rounding(fan_in=784, norm=1.0, dtype="float32")
        >>> 7.1e-5 < slope < 7.3e-5, offset
        (True, 0.0)
    """
    if fan_in < 1:
        raise ValueError(f"Expected a fan_in of at least 1. Received: fan_in={fan_in}")
    leaf_roundings = 1 if unit_roundoff(dtype) <= unit_roundoff("float32") else 3
    constant = gamma(fan_in + leaf_roundings - 1, dtype)
    nu = norm if partial_norm is None else max(norm, partial_norm)
    signed = min(mul_up(sqrt_up(float(min(orders, outputs))), nu), absolute_norm)
    nodes = mul_up(0.5, add_up(norm, signed))
    leaves = min(mul_up(sqrt_up(float(fan_in)), nu), absolute_norm)
    leaves = div_up(mul_up(float(leaf_roundings), leaves), float(fan_in))
    per_bias = constant
    if bias_last:
        roundings = 1.0 if leaf_roundings == 1 else 2.0
        per_bias = div_up(mul_up(constant, roundings), float(fan_in + leaf_roundings - 1))
    return mul_up(constant, add_up(nodes, leaves)), mul_up(per_bias, bias_norm)
