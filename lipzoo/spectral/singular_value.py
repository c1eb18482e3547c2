"""Verified upper bounds on the largest singular value of many matrices, in float64."""

from collections.abc import Iterable

import numpy as np

from lipzoo.rounding import add_up, deflated, div_up, gamma, inflated, mul_up, sqrt_up
from lipzoo.spectral.threads import single_threaded_blas

_UNIT_ROUNDOFF = 2.0**-53


def largest_singular_value_bound(batches: Iterable[np.ndarray]) -> float:
    """Proven upper bound of the largest singular value of all matrices in all batches.

    With `G = fl(A^H A)` of the smaller side n, and λ slightly above the computed largest eigenvalue
    of G, a Cholesky factorisation of `λI - G` is attempted; that it runs to completion *proves*

        sigma_max(A)^2 <= λ + u λ + c_n tr(λI - G) + c_m ||A||_F^2,     c_k = gamma(w (k + 4))

    (w = 1 for real, 3 for complex matrices; m: the longer side; gamma(k) = k u / (1 - k u)). The
    eigenvalue solver itself is not trusted: where Cholesky breaks down, λ is raised.

    Proof. Every entry of G is an inner product of length m, so `|G - A^H A| <= c_m |A|^H |A|`,
    whose norm is at most `c_m ||A||_F^2`. The subtraction rounds the diagonal by at most `u λ`,
    which gives the matrix B. The computed factor satisfies `R^H R = B + E`,
    `|E| <= c_n |R|^H |R|` (Higham, Accuracy and Stability of Numerical Algorithms, theorem 10.3;
    w and the 4 leave room for complex products and for division by a reciprocal). The norm of
    `|R|^H |R|` is at most `||R||_F^2 <= tr(B) / (1 - c_n)`, and `R^H R` is positive semi-definite,
    so no eigenvalue of B lies below `-c_n tr(B) / (1 - c_n)`. End of proof. Underflow is far below
    the room in the constants.

    Assumed: IEEE float64 with rounding to nearest; matrix products by the definition, in any order
    of summation, with or without fused multiply-add (not Strassen's algorithm).

    Args:
        batches: arrays `(batch, a, b)` with the same a and b, float64 or complex128, finite, with
            entries not far above 1 in modulus.

    Returns:
        The bound. 0 where there is no matrix or all are zero.

    Example:
        >>> import numpy as np
        >>> 3.0 <= largest_singular_value_bound([np.diag([3.0, 1.0])[None]]) < 3.0 + 1e-14
        True
    """
    shift, error = 0.0, 0.0
    with single_threaded_blas():
        for matrices in batches:
            if matrices.size == 0:
                continue
            if matrices.shape[-2] < matrices.shape[-1]:
                matrices = np.swapaxes(matrices, -1, -2)
            gram = np.matmul(np.swapaxes(matrices, -1, -2).conj(), matrices)
            traces = np.trace(gram, axis1=-2, axis2=-1).real
            if not traces.any():
                continue
            shift = _verified_shift(gram, shift)
            weight = 3 if np.iscomplexobj(matrices) else 1
            # It grows with the shift: a batch that was verified with a lower one is covered.
            rows, columns = matrices.shape[-2:]
            error = max(error, _error_of_square(shift, traces, rows, columns, weight))
    return sqrt_up(add_up(shift, error))


def _verified_shift(gram: np.ndarray, shift: float) -> float:
    """Returns λ >= shift for which every `λI - G` of the batch has a Cholesky factor."""
    if shift > 0.0 and _all_positive_definite(gram, shift):
        return shift
    largest = float(np.linalg.eigvalsh(gram).max())
    slack = 4 * gram.shape[-1] * _UNIT_ROUNDOFF
    shift = max(shift, largest * (1.0 + slack))
    while not _all_positive_definite(gram, shift):
        slack *= 4.0
        shift *= 1.0 + slack
    return shift


def _all_positive_definite(gram: np.ndarray, shift: float) -> bool:
    try:
        np.linalg.cholesky(shift * np.eye(gram.shape[-1]) - gram)
    except np.linalg.LinAlgError:
        return False
    return True


def _error_of_square(shift, traces, rows, side, weight) -> float:
    """Returns `u λ + c_n tr(λI - G) + c_m ||A||_F^2`, the largest of the batch."""
    # Computed traces are off by this factor at most: sums of `rows` products, then of `side` terms.
    trace_error = gamma(weight * rows + side, "float64")
    squared_frobenius = mul_up(float(traces.max()), 1.0 + 2.0 * trace_error)
    # A product and the difference; a difference and a product.
    factored = inflated(side * shift, operations=2) - deflated(
        float(traces.min()) * (1.0 - trace_error), operations=2
    )
    factor_error = gamma(weight * (side + 4), "float64")
    kept = deflated(1.0 - factor_error, operations=1)
    return add_up(
        mul_up(_UNIT_ROUNDOFF, shift),
        div_up(mul_up(factor_error, max(factored, 0.0)), max(kept, 0.0)),
        mul_up(gamma(weight * (rows + 4), "float64"), squared_frobenius),
    )
