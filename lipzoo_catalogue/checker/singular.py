"""Singular values of matrices that are written down, enclosed with a proof.

LAPACK returns approximate factors `A ≈ U S Vᴴ` and no guarantee. What they are worth is computed
afterwards: with

    δ_U = ‖UᴴU - I‖,   δ_V = ‖VᴴV - I‖,   e = ‖A - U S Vᴴ‖

every singular value obeys

    s_i √((1 - δ_U)(1 - δ_V)) - e  <=  σ_i(A)  <=  s_i √((1 + δ_U)(1 + δ_V)) + e.

Proof. The singular values of U lie within √(1 ± δ_U), those of V alike, and multiplication by an
injective matrix changes singular values by factors between its smallest and its largest one
(Courant-Fischer); adding a matrix of norm e changes them by e at most (Weyl). The three norms are
bounded by Frobenius norms of matrices that are computed in float64, plus a bound on the rounding of
that computation: an entry of a product of inner length n errs by at most `γ_n` times the product of
the absolute values, `γ_n = nu / (1 - nu)`, in any order of summation (Higham, Accuracy and
Stability of Numerical Algorithms, section 3.1; four times as much covers complex numbers). Summed
over all entries that is `γ_n` times the sum of all s_i for the product of the factors, and `γ_m`
times the number of columns for `UᴴU`. Whether LAPACK did well does not matter; if it did not, the
enclosure is wide. (Rump, Verified bounds for singular values, BIT 51, 2011.)
"""

from dataclasses import dataclass

import numpy as np

from lipzoo_catalogue.checker.intervals import Interval

_UNIT = 2.0**-53
# Covers the float64 evaluation of the error bounds themselves, and products that underflow.
_INFLATION, _UNDERFLOW = 1.001, 1e-280


@dataclass(frozen=True)
class SingularValues:
    """Enclosures of all singular values of one matrix, or of each of a stack of matrices.

    Attributes:
        low, high: lower and upper bounds, largest singular value first; shape `(..., min(m, n))`.
        right: approximate right singular vectors in rows, shape `(..., min(m, n), n)`.
    """

    low: np.ndarray
    high: np.ndarray
    right: np.ndarray

    @property
    def largest(self) -> Interval:
        """Encloses the largest singular value of all."""
        return Interval(float(self.low.max(initial=0.0)), float(self.high.max(initial=0.0)))


def singular_values(matrices: np.ndarray, error: float = 0.0) -> SingularValues:
    """Encloses the singular values of a matrix `(m, n)`, or of a stack `(..., m, n)` of them.

    Args:
        matrices: finite float64 or complex128 array.
        error: bound on ‖given - true‖ for each matrix, where they are known only up to that.

    Raises:
        ValueError: if LAPACK's factors are no better than useless.

    >>> values = singular_values(np.array([[3.0, 0.0], [4.0, 0.0], [0.0, 1.0]]))
    >>> values.largest.low <= 5.0 <= values.largest.high, bool(values.largest.rounding < 1e-14)
    (True, True)
    """
    matrices = np.asarray(matrices)
    scale = 2.0 ** np.ceil(np.log2(np.abs(matrices).max(initial=0.0) or 1.0))
    matrices = matrices / scale
    left, values, right = np.linalg.svd(matrices, full_matrices=False)
    rank = values.shape[-1]
    factor = 4.0 if np.iscomplexobj(matrices) else 1.0
    residual = _frobenius(matrices - (left * values[..., None, :]) @ right)
    residual += _gamma(rank + 3, factor) * (_frobenius(matrices) + _INFLATION * values.sum(axis=-1))
    residual = (residual + _UNDERFLOW) * _INFLATION + np.asarray(error) / scale * _INFLATION
    right_columns = np.swapaxes(right.conj(), -1, -2)
    distortion = [_distortion(factors, factor) for factors in (left, right_columns)]
    if max(map(np.max, distortion)) > 1e-3:
        raise ValueError(
            "Expected singular vectors that are orthonormal to 1e-3 from LAPACK. "
            f"Received: a deviation of {max(map(np.max, distortion)):.3g}"
        )
    wider = np.sqrt((1 + distortion[0]) * (1 + distortion[1])) * (1 + 8 * _UNIT)
    narrower = np.sqrt((1 - distortion[0]) * (1 - distortion[1])) * (1 - 8 * _UNIT)
    high = values * wider[..., None] + residual[..., None]
    low = values * narrower[..., None] - residual[..., None]
    low, high = low * (1 - 8 * _UNIT), high * (1 + 8 * _UNIT)
    return SingularValues(np.maximum(low, 0.0) * scale, high * scale, right)


def _distortion(columns: np.ndarray, factor: float) -> np.ndarray:
    """Bound on `‖UᴴU - I‖` for nearly orthonormal columns."""
    length, count = columns.shape[-2:]
    gram = np.swapaxes(columns.conj(), -1, -2) @ columns
    rounding = _gamma(length + 2, factor) * _INFLATION * count
    return (_frobenius(gram - np.eye(count)) + rounding) * _INFLATION


def _frobenius(matrices: np.ndarray) -> np.ndarray:
    return np.sqrt(np.sum(np.abs(matrices) ** 2, axis=(-2, -1)))


def _gamma(count: int, factor: float) -> float:
    return factor * count * _UNIT / (1 - factor * count * _UNIT)
