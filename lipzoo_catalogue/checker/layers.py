"""Bounds of single layers, each from its formula, and proven lower bounds beside them."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lipzoo_catalogue.checker.activations import Slopes, monotone_slopes_of, slopes_of
from lipzoo_catalogue.checker.arguments import is_number
from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.operators import Operator

ONE = Interval.exactly(1.0)
# The architectures integrate no flow in more steps; without a limit a forged time takes for ever.
_MOST_STEPS = 1000


@dataclass(frozen=True)
class LayerBound:
    """What the checker finds of one layer.

    Attributes:
        bound: encloses the number that the layer's formula gives for its Lipschitz constant.
        at_least: proven lower bound of the Lipschitz constant itself; 0 where none was found.
        how: how it was derived, in a few words.
    """

    bound: Interval
    at_least: float
    how: str


def isometry(how: str) -> LayerBound:
    """A layer that moves or copies entries, or adds zeros."""
    return LayerBound(ONE, 1.0, how)


def affine(operator: Operator, bias: np.ndarray, activation: object = None) -> LayerBound:
    """`x ↦ σ(Ax + b)`: the largest slope times ‖A‖."""
    slopes = slopes_of(activation)
    bound = Interval.exactly(slopes.lipschitz) * operator.norm
    at_least = operator.at_least
    if slopes.lowest != 1.0:
        at_least = max(_stretches(operator, bias, slopes, power=2), default=0.0) ** 0.5
    return LayerBound(bound, min(at_least, bound.high), operator.how)


def gradient_flow(
    operator: Operator,
    bias: np.ndarray,
    activation: object,
    time: object = None,
    gain: float | np.ndarray = 1.0,
) -> LayerBound:
    """`max(1, hβ‖A‖² - 1)ⁿ` for n Euler steps `x ↦ x - h Aᵀσ(Ax + b)` of total time T = nh.

    n is the smallest number of steps with `T / n <= 2/β`; without T there is one of size 2/β. With
    gains c the activation is `σ(cz)/c`, whose slopes are slopes of σ, so they change nothing.

    Proof. σ is the derivative of convex functions γ and grows at most β times as fast as its
    argument, so `∇V(x) = Aᵀσ(Ax + b)` is the gradient of the convex `V = Σγ(Ax + b)` and
    L-Lipschitz for `L = β‖A‖²`. Where it is differentiable, its derivative is `AᵀDA` with
    `0 <= D <= β`, a symmetric matrix with eigenvalues in [0, L], so those of `I - hAᵀDA` lie in
    [1 - hL, 1].
    """
    slopes = monotone_slopes_of(activation)
    longest = 2 / Fraction(slopes.highest)
    steps = 1 if time is None else max(1, math.ceil(Fraction(positive(time, "time")) / longest))
    if steps > _MOST_STEPS:
        raise ValueError(
            f"Expected a time of at most {_MOST_STEPS} steps of size {float(longest):g}. "
            f"Received: time={time!r}, {steps:.3g} steps"
        )
    size = float(longest) if time is None else positive(time, "time") / steps
    scaled = Interval.exactly(size * slopes.highest) * operator.norm * operator.norm
    bound = scaled.minus_one().maximum(ONE).power(steps)
    at_least = 0.0
    if steps == 1 and scaled.high > 2:
        # vᵀ(I - hAᵀDA)v = 1 - h Σ d (Av)² for a unit vector v; D is that of some state.
        sums = _stretches(operator, bias, slopes, power=1, gain=gain)
        at_least = max((size * total - 1 for total in sums), default=0.0)
    plural = "step" if steps == 1 else "steps"
    how = f"{steps} Euler {plural}, hβ‖A‖² = {scaled.high:.6g}, {operator.how}"
    return LayerBound(bound, max(0.0, min(at_least, bound.high)), how)


def shears(operators: list[Operator], sizes: list[float], activation: object) -> LayerBound:
    """A product of half steps `q ↦ q + h Bᵀσ(Bp + b)` of a Hamiltonian system.

    Each is a shear `[[1, M], [0, 1]]` with M symmetric and `0 <= M <= m = hβ‖B‖²`. Its largest
    singular value s and the smallest, 1/s, obey `s - 1/s = m`, so `s = (m + √(m² + 4)) / 2`.
    The Jacobian F of any such product satisfies `FᵀΩF = Ω` with ‖Ω‖ = 1, so `1 <= ‖F‖²`.
    """
    slopes = monotone_slopes_of(activation)
    bound = ONE
    for operator, size in zip(operators, sizes, strict=True):
        m = Interval.exactly(size) * Interval.exactly(slopes.highest)
        m = m * operator.norm * operator.norm
        root = (m * m + Interval.exactly(4.0)).sqrt()
        bound = bound * ((m + root) / Interval.exactly(2.0))
    largest = max(operator.norm.high for operator in operators)
    how = f"{len(sizes)} shears, norms <= {largest:.6g}, {operators[0].how}"
    return LayerBound(bound, 1.0, how)


def positive(value: object, name: str) -> float:
    """Returns a positive finite number.

    Raises:
        ValueError: for anything else.
    """
    if not (is_number(value) and 0 < value <= sys.float_info.max):
        received = f"{name}={value!r}"
        raise ValueError(f"Expected {name} to be a positive number. Received: {received[:80]}")
    return float(value)


def _stretches(
    operator: Operator, bias: np.ndarray, slopes: Slopes, power: int, gain: float | np.ndarray = 1.0
) -> Iterator[float]:
    """Lower bounds of `Σ σ'(cz)^power (Av)²` at some states, z = Ax + b and ‖v‖ = 1, for gains c.

    The states are one where all units are as steep as they can be, if there is one, and one far out
    in the direction v and in the opposite one. What z is, is computed at the state found, with its
    rounding; a slope is least at one of the ends of an interval.
    """
    direction = operator.top / math.sqrt(np.sum(operator.top**2))
    image = operator.apply(direction)
    squares = image**2
    states = [1e4 * direction, -1e4 * direction]
    if operator.matrix is not None:
        # A written-down convolution repeats its bias at every pixel.
        bias = np.tile(bias, len(image) // len(bias))
        wanted = slopes.steepest / gain - bias
        states.append(np.linalg.lstsq(operator.matrix, wanted, rcond=None)[0])
    for state in states:
        z = operator.apply(state) + bias
        error = operator.error * math.sqrt(np.sum(state**2)) * (1 + 1e-6)
        error = error + 4 * 2.0**-53 * np.abs(z)
        ends = [slopes.at(gain * end) for end in (z - error, z + error)]
        least = np.minimum(*ends) * (1 - 1e-12)
        total = float(np.sum(np.maximum(least, 0.0) ** power * squares))
        # Sums of at most 2²⁴ squares, and ‖v‖ = 1, hold to 1e-8; what A v errs by is bounded.
        yield max(0.0, total * (1 - 4e-8) - 4 * operator.error * operator.norm.high)
