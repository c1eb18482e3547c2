"""How large the noise of a measurement is: what a certificate is asked about."""

import math

import numpy as np

from lipzoo.validation import finite_number, integer


def noise_norm(sigma: float, m: int, confidence: float = 0.95) -> float:
    """Norm that Gaussian noise of a measurement exceeds with a small probability only.

        P(‖e‖ <= δ) = confidence      for e of m independent values N(0, σ²)

    that is `δ = σ √q`, q the quantile of the chi-squared distribution with m degrees of freedom.
    (`σ √m` is near its mean: every second measurement has more noise than that.)

    Args:
        sigma: standard deviation σ of one value, positive.
        m: number of values of one measurement: of complex values two each.
        confidence: probability, in (0, 1).

    Returns:
        δ, to nine digits: what `certify_reconstruction` takes as `noise_norm`.

    Raises:
        ValueError: if an argument is out of range.

    Example: the quantile of 0.95 with one degree of freedom is 1.96².

    >>> round(noise_norm(0.5, m=1), 4), round(noise_norm(1.0, m=100), 3)
    (0.98, 11.151)
    """
    sigma, m = finite_number(sigma, "sigma", positive=True), integer(m, "m")
    confidence = finite_number(confidence, "confidence", positive=True)
    if not confidence < 1:
        raise ValueError(f"confidence must be below 1. Received: confidence={confidence!r}")
    low, high = 0.0, 1.0
    while _share_below(0.5 * m, 0.5 * high * m) < confidence:
        low, high = high, 2.0 * high
    while high - low > 1e-10 * high:
        middle = 0.5 * (low + high)
        if _share_below(0.5 * m, 0.5 * middle * m) < confidence:
            low = middle
        else:
            high = middle
    return sigma * math.sqrt(high * m)


def _share_below(a, x):
    """The regularised incomplete gamma function, `e^-x x^a Σ_n x^n / Γ(a + n + 1)`.

    The terms fall once `a + n > x`; summed up to where they are negligible.
    """
    count = int(max(0.0, x - a) + 12 * math.sqrt(x + a) + 200)
    logarithms = np.cumsum(np.log(x) - np.log(a + np.arange(1, count)))
    first = a * math.log(x) - x - math.lgamma(a + 1.0)
    return min(1.0, math.exp(first) + float(np.sum(np.exp(first + logarithms))))
