"""How far a step towards the data can carry a perturbation: the mathematics of InvNet's bound."""

import math
from fractions import Fraction

from lipzoo.rounding import add_up, div_up, mul_up, sqrt_up


def data_step_bound(
    state: float, data: float, step_size: float, norm: float, smallest: float = 0.0
) -> float:
    """Proven Lipschitz bound after a step `x' = x - τAᵀ(Ax - y)`.

    If a perturbation moves x by at most `state` (a) and y by at most `data` (b), it moves x' by at
    most

        min over q > 0 of   sqrt(a² + q b²) · max over l² <= u <= ‖A‖² of sqrt((1 - τu)² + τ²u / q)

    which is never above `‖I - τAᵀA‖ a + τ‖A‖ b`, the bound by the triangle inequality, and much
    below it after many steps: for l = 0, `τ <= 1/‖A‖²` and a large enough it is
    `sqrt(a² + b² τ / (2 - τ‖A‖²))`, so that K steps add `K τ / (2 - τ‖A‖²)` to the *square*.

    Proof. `x' = [M, N/√q] (x, √q y)` with `M = I - τAᵀA`, `N = τAᵀ`, for every q > 0. The norm of
    the stacked vector of perturbations is at most `sqrt(a² + q b²)`. The square of the operator's
    norm is the largest eigenvalue of `MMᵀ + NNᵀ/q`, a function of AᵀA whose eigenvalues are
    `(1 - τu)² + τ²u/q` at the squared singular values u of A; convex in u, hence largest at an end
    of the interval. Each q gives a bound; the minimum is taken over those q at which one of the
    ends is stationary or both are equal, and over the triangle inequality. Everything is evaluated
    upwards.

    Args:
        state: Lipschitz bound a of the state x, with respect to whatever is perturbed.
        data: Lipschitz bound b of the measurement y, with respect to the same.
        step_size: τ, in (0, 2/‖A‖²].
        norm: proven upper bound on ‖A‖.
        smallest: proven lower bound l on the smallest singular value of A (0 for a null space).

    Returns:
        The bound, a float.

    Example:

    >>> data_step_bound(4.0, 3.0, step_size=1.0, norm=1.0)
    5.0
    """
    a, b = Fraction(state), Fraction(data)
    tau, largest, least = Fraction(step_size), Fraction(norm) ** 2, Fraction(smallest) ** 2
    contraction = max(abs(1 - tau * largest), abs(1 - tau * least))
    best = add_up(mul_up(contraction, a), mul_up(step_size, norm, b))
    for q in _candidates(float(a), float(b), float(tau), float(largest), float(least)):
        worst = max(
            add_up(mul_up(abs(1 - tau * u), abs(1 - tau * u)), mul_up(div_up(1.0, q), tau, tau, u))
            for u in (least, largest)
        )
        best = min(best, sqrt_up(mul_up(add_up(mul_up(a, a), mul_up(q, b, b)), worst)))
    return best


def _candidates(a, b, tau, largest, least):
    """Weights q of the data; any positive number gives a valid bound, these give the best."""
    ends = [(1 - tau * least) ** 2, (1 - tau * largest) ** 2]
    if ends[0] > ends[1]:
        yield tau**2 * (largest - least) / (ends[0] - ends[1])
    for u in (least, largest):
        if b > 0 and u > 0 and tau * u != 1:
            q = a * tau * math.sqrt(u) / (b * abs(1 - tau * u))
            if 1e-100 < q < 1e100:
                yield q


def fixed_point_bound(
    contraction: float, step_size: float, norm: float, smallest: float = 0.0
) -> float:
    """Proven Lipschitz bound, in y, of the fixed point of `x = G(x - τAᵀ(Ax - y))`.

    For a map G of Lipschitz constant q < 1 (or q = 1 and a positive smallest singular value), the
    fixed point moves by at most the smallest a with `a >= q · data_step_bound(a, 1, τ, ‖A‖)`:

        a = q sqrt(τ / ((2 - τ‖A‖²)(1 - q²)))     for τ <= 1/‖A‖² and q near 1,

    where the triangle inequality gives `q τ‖A‖ / (1 - q)`. What is returned is verified: it
    satisfies the inequality, in upward arithmetic.

    Proof. Let D(a, b) be the minimum over all q > 0 in `data_step_bound`: it does not decrease in b
    and is homogeneous, so `D(s, 1) / s` does not increase in s. Let d be the distance of the fixed
    points of y and y', `‖y - y'‖ <= 1`, and `q D(a, 1) < a`, which is what is verified. Then d > a
    would give `d <= q D(d, 1) <= (d / a) q D(a, 1) < d`.

    Args:
        contraction: q, proven Lipschitz bound of G.
        step_size, norm, smallest: as in `data_step_bound`.

    Returns:
        The bound; infinite where there is none.

    Example:

    >>> 2.06 < fixed_point_bound(0.9, step_size=1.0, norm=1.0) < 2.07
    True
    >>> fixed_point_bound(1.0, step_size=1.0, norm=1.0)
    inf
    """

    def after(a):
        return mul_up(contraction, data_step_bound(a, 1.0, step_size, norm, smallest))

    if contraction == 0.0:
        return 0.0
    low, high = 0.0, 1.0
    while after(high) >= high:
        low, high = high, 2.0 * high
        if high > 1e12:
            return math.inf
    while high - low > 1e-9 * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if after(middle) < middle else (middle, high)
    return high
