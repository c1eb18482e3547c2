"""Tikhonov's reconstruction as a polynomial: the steps of Chebyshev's iteration and their proofs.

With `x₀ = 0` the iteration

    x_{k+1} = x_k + a_k (x_k - x_{k-1}) + b_k (Aᵀ(y - A x_k) - α x_k)

has the residual polynomials `r_k(t) = T_k(s) / T_k(σ)`, `s = σ - (t + α) / d`, on the eigenvalues t
of AᵀA in [0, 2d], T_k being Chebyshev's polynomials and `σ = 1 + α / d`. So
`x_K = p(AᵀA) Aᵀy` with

    p(t) = (1 - r_K(t)) / (t + α),      |r_K| <= 1 / T_K(σ).
"""

import decimal
import functools
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np

from lipzoo.rounding import add_up, inflated, mul_up, unit_roundoff

# The interval of the iteration beyond the largest eigenvalue of AᵀA: its end is where rounding
# errors of products with A are amplified most.
_LONGER = Decimal("1.1")
_MOST_STEPS = 5000
_DIGITS = 60


class ChebyshevSteps:
    """Coefficients of the iteration for ‖A‖ up to `norm`, and what is proven of them.

    Args:
        alpha: α.
        norm: proven upper bound on ‖A‖.
        accuracy: largest `|r_K|`.

    Attributes:
        coefficients: pairs (a_k, b_k) for k = 0, ..., K - 1, each rounded once.
        remaining: upper bound of `1 / T_K(σ)`.

    Raises:
        ValueError: if more than 5000 steps are needed.

    Example:

    >>> steps = ChebyshevSteps(alpha=0.01, norm=1.0, accuracy=0.01)
    >>> len(steps.coefficients), steps.remaining <= 0.01, steps.norm_bound <= 1.01 * 5.0
    (28, True, True)
    """

    def __init__(self, alpha: float, norm: float, accuracy: float):
        self.alpha, self.norm = alpha, norm
        with decimal.localcontext(decimal.Context(prec=_DIGITS)):
            square = _LONGER * Decimal(norm) ** 2
            # Of a norm that is negligible beside α any interval is long enough.
            half = max(square, Decimal(alpha) * Decimal("1e-6")) / 2
            sigma = 1 + Decimal(alpha) / half
            self._length = float(2 * half)
            # T_0(σ), T_1(σ), ...
            values = [Decimal(1), sigma]
            while 1 / values[-1] > Decimal(accuracy) * Decimal("0.999"):
                values.append(2 * sigma * values[-1] - values[-2])
                if len(values) > _MOST_STEPS + 1:
                    raise ValueError(
                        f"Expected an alpha for which {_MOST_STEPS} steps reach an accuracy of "
                        f"{accuracy:g}. Received: alpha={alpha!r}, {alpha / norm**2:.3g} of ‖A‖²"
                    )
            first = (0.0, float(1 / (Decimal(alpha) + half)))
            later = [
                (float(before / after), float(2 * now / (half * after)))
                for before, now, after in zip(values, values[1:], values[2:], strict=False)
            ]
            self.coefficients = [first, *later]
            self._inverse = np.array([float(1 / value) for value in values])
            self._logarithms = np.array([float(value.ln()) for value in values])
        self.remaining = float(inflated(self._inverse[-1], 1))

    @property
    def gain(self) -> float:
        """Upper bound of Tikhonov's own norm, the largest `s / (s² + α)` for s up to ‖A‖."""
        if Fraction(self.norm) ** 2 < Fraction(self.alpha):
            return float(inflated(self.norm / (self.norm**2 + self.alpha), 3))
        return float(inflated(0.5 / math.sqrt(self.alpha), 2))

    @property
    def norm_bound(self) -> float:
        """Upper bound of `‖p(AᵀA)Aᵀ‖`: with `s² = t`, of `s (1 - r_K(t)) / (t + α)`."""
        return mul_up(self.gain, add_up(1.0, self.remaining))

    @property
    def distance_bound(self) -> float:
        """Upper bound of `‖p(AᵀA)Aᵀ - (AᵀA + αI)⁻¹Aᵀ‖`, of `s |r_K(t)| / (t + α)`."""
        return mul_up(self.gain, self.remaining)

    def rounding(self, dtype: str, forward: float, backward: float) -> float:
        """Bound on `‖fl(x_K) - x_K‖` for `‖y‖ = 1`, where products err by these slopes.

        An error e that is made in step j is carried on by the recurrence of T_k: of x_K it is
        `U_i(s) T_j(σ) / T_K(σ) · e`, `i = K - j`, U_i being Chebyshev's polynomials of the second
        kind, `|U_i| <= i + 1`. Errors of `A x_k` go through Aᵀ first: with `t = 2d sin²(φ/2)` and
        `s = cos φ`,

            √t |U_i(s)| = √(2d) |sin((i+1)φ)| / (2 cos(φ/2)) <= √(2d) / (2 √(1 - ‖A‖² / 2d)).

        The exact iterates obey `‖x_k‖ <= (1 + 1 / T_k(σ)) max s / (s² + α)`, and their residuals
        `‖y - A x_k‖ <= max |(α + t r_k) / (α + t)| <= 1`.
        """
        u, norm, alpha = unit_roundoff(dtype), self.norm, self.alpha
        carried = 0.5 * math.sqrt(self._length) / math.sqrt(1.0 - norm**2 / self._length)
        count = len(self.coefficients)
        image_errors, data_errors = np.zeros(count), np.zeros(count)
        error, size, before = 0.0, 0.0, 0.0
        for k, (momentum, step) in enumerate(self.coefficients):
            exact_residual = 1.0 + norm * error + forward * size
            data_error = forward * size + u * exact_residual if k else 0.0
            residual = exact_residual * (1 + u)
            gradient = (norm + backward) * residual + alpha * (1 + 3 * u) * size
            moved = momentum * (size + before)
            # Casts of α, a_k and b_k and their products; differences; the sum of three.
            image_errors[k] = (
                step * (backward * residual + 3 * u * alpha * size + u * gradient)
                + 4 * u * moved
                + 4 * u * step * gradient
                + 3 * u * (1 + 4 * u) * (size + moved + step * gradient)
            )
            data_errors[k] = step * data_error
            later = np.arange(k + 1, 0, -1)
            damped = np.exp(self._logarithms[1 : k + 2] - self._logarithms[k + 1])
            through = np.minimum(norm * later, carried)
            error = float(
                np.sum(damped * (later * image_errors[: k + 1] + through * data_errors[: k + 1]))
            )
            before, size = size, float((1 + self._inverse[k + 1]) * self.gain + error)
            if not math.isfinite(error):
                return math.inf
        # A step has fewer than 40 roundings on a way, and k of the sum; exponentials of differences
        # of logarithms below 2¹⁰ are accurate to 2¹² units.
        return float(inflated(error, count * (count + 2**13)))


@functools.lru_cache(maxsize=64)
def chebyshev_steps(alpha: float, norm: float, accuracy: float) -> ChebyshevSteps:
    """The steps for these numbers, worked out once."""
    return ChebyshevSteps(alpha, norm, accuracy)
