"""How far rounding moves one computed gradient-flow step, bounded for every input."""

import math
from dataclasses import dataclass

import numpy as np
from keras import ops

from lipzoo.activations import Activation
from lipzoo.rounding import affine_rounding, unit_roundoff

# Covers the float64 evaluation of the bound itself: fewer than 100 operations on positive numbers.
INFLATION = 1 + 1e-12


@dataclass(frozen=True)
class OperatorFacts:
    """What a bound needs to know about the affine map `x ↦ Ax + b`.

    Attributes:
        norm: proven bound on ‖A‖.
        partial_norm: proven bound on ‖A_S‖ for every subset S of the summands of an output.
        derivation: how `norm` was bounded.
        fan_in, fan_out: largest number of summands in an entry of Ax and of Aᵀz.
        outputs: number of entries of Ax; infinite where it is not known.
        bias: the bias, repeated over the outputs; None without bias.
    """

    norm: float
    partial_norm: float
    derivation: str
    fan_in: int
    fan_out: int
    outputs: float
    bias: np.ndarray | None

    @property
    def bias_norm(self) -> float:
        """The Euclidean norm of the bias over all outputs."""
        if self.bias is None:
            return 0.0
        norm = float(np.linalg.norm(self.bias.astype("float64")))
        return repeated(norm, self.outputs / self.bias.size) * INFLATION


def repeated(norm: float, count: float) -> float:
    """The norm of `count` copies of something of norm `norm`; nothing, however often, is 0."""
    return norm * math.sqrt(count) if norm else 0.0


def flow_drift(facts: OperatorFacts, activation: Activation, gain: float, step_size: float):
    """Returns a bound on ‖ψ(0)‖ = h ‖Aᵀσ(b)‖ for one step ψ."""
    return step_size * facts.norm * _response_at_bias(facts, activation, gain) * INFLATION


def flow_rounding(
    facts: OperatorFacts,
    activation: Activation,
    gain: float,
    step_size: float,
    substeps: int,
    lipschitz: float,
    dtype: str,
) -> tuple[float, float]:
    """Bounds the rounding error of `substeps` steps `x ← x - h Aᵀσ(Ax + b)`.

    Args:
        facts: the affine map.
        activation, gain, step_size, substeps: as in the layer.
        lipschitz: Lipschitz bound of one exact step.
        dtype: the arithmetic, `"float32"` for instance.

    Returns:
        `(slope, offset)` with `‖fl(x_n) - x_n‖ <= slope ‖x‖ + offset` for every x. Every term is a
        triangle inequality; the assumptions are those of `lipzoo.rounding.affine_rounding`.
    """
    # Bounds that are affine in ‖x‖ are written [offset, slope].
    drift = np.array([flow_drift(facts, activation, gain, step_size), 0.0])
    state, error = np.array([0.0, 1.0]), np.zeros(2)
    for _ in range(substeps):
        local = _one_step(state + error, facts, activation, gain, step_size, dtype)
        error = lipschitz * error + local
        state = lipschitz * state + drift
    offset, slope = error * INFLATION
    return float(slope), float(offset)


def _one_step(state, facts, activation, gain, step_size, dtype):
    """The error of one computed step on an input of norm at most `state`."""
    unit = unit_roundoff(dtype)
    beta, norm = activation.upper, facts.norm
    slope, offset = affine_rounding(
        facts.fan_in, norm, facts.partial_norm, facts.bias_norm, dtype, bias_last=True
    )
    rounded = slope * state + _constant(offset)
    preactivation = norm * state + _constant(facts.bias_norm) + rounded
    at_bias = _constant(_response_at_bias(facts, activation, gain))
    response = beta * (norm * state + rounded) + at_bias
    relative, absolute = activation.rounding(unit, gain)
    response_error = beta * rounded + _constant(repeated(absolute, facts.outputs))
    if relative:
        response_error = response_error + relative * preactivation
    response = response + response_error
    slope, _ = affine_rounding(facts.fan_out, norm, facts.partial_norm, 0.0, dtype)
    gradient_error = norm * response_error + slope * response
    gradient = norm * response + gradient_error
    # One rounding for h itself, one for the product with it, one for the difference.
    product_error = step_size * (gradient_error + 2 * (1 + unit) * unit * gradient)
    return product_error + unit * (state + step_size * gradient * (1 + unit))


def _response_at_bias(facts, activation, gain):
    """‖σ(b)‖ over all outputs; ‖σ(Ax + b)‖ exceeds it by at most β‖A‖‖x‖."""
    bias = np.zeros(1) if facts.bias is None else facts.bias.astype("float64")
    response = ops.convert_to_numpy(activation(ops.convert_to_tensor(bias), gain))
    # Some backends evaluate this in float32 whatever it is given.
    relative, absolute = activation.rounding(unit_roundoff("float32"), gain)
    error = relative * np.linalg.norm(bias) + absolute * math.sqrt(bias.size)
    norm = float(np.linalg.norm(response.astype("float64")) * (1 + 1e-6) + error)
    return repeated(norm, facts.outputs / bias.size) * INFLATION


def _constant(value):
    return np.array([value, 0.0])
