"""Steps along gradients of potentials: their Lipschitz bound, and their rounding error bounded."""

import math
from dataclasses import dataclass

import numpy as np
from keras import ops

from lipzoo.activations import Activation
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.rounding import (
    ORDERS,
    add_up,
    affine_rounding,
    inflated,
    mul_up,
    norm_up,
    repeated,
    unit_roundoff,
)

# Roundings on the longest way through the bound of one step: from the size of a state through the
# two products and the activation to the error of the next.
_OPERATIONS = 17


@dataclass(frozen=True)
class OperatorFacts:
    """What a bound needs to know about the affine map `x ↦ Ax + b`.

    Attributes:
        norm: proven bound on ‖A‖.
        partial_norm: proven bound on ‖AD‖ for every D that gives signs to the summands of outputs.
        absolute_norm: proven bound on the norm of A with absolute values for entries.
        derivation: how `norm` was bounded.
        fan_in, fan_out: largest number of summands in an entry of Ax and of Aᵀz.
        inputs, outputs: number of entries of x and of Ax; infinite where it is not known.
        bias: the bias, repeated over the outputs; None without bias.
        edges: number of ways in which the layer itself puts entries of Aᵀz together.
    """

    norm: float
    partial_norm: float
    absolute_norm: float
    derivation: str
    fan_in: int
    fan_out: int
    inputs: float
    outputs: float
    bias: np.ndarray | None
    edges: int = 1

    @property
    def bias_norm(self) -> float:
        """The Euclidean norm of the bias over all outputs."""
        if self.bias is None:
            return 0.0
        return repeated(norm_up(self.bias), self.outputs / self.bias.size)

    def rounding(self, dtype) -> tuple[float, float]:
        """(slope, offset) of the error of the computed Ax + b, the bias added to finished sums."""
        return affine_rounding(
            self.fan_in,
            self.norm,
            self.partial_norm,
            self.bias_norm,
            dtype,
            bias_last=True,
            outputs=self.outputs,
            absolute_norm=self.absolute_norm,
        )

    def adjoint_rounding(self, dtype) -> float:
        """The slope of the error of the computed Aᵀz."""
        slope, _ = affine_rounding(
            self.fan_out,
            self.norm,
            self.partial_norm,
            dtype=dtype,
            outputs=self.inputs,
            absolute_norm=self.absolute_norm,
            orders=ORDERS * self.edges,
        )
        return slope


@dataclass(frozen=True)
class Step:
    """One step `x ↦ x ± h Aᵀσ(Ax + b)`, on all of the state or from one half to the other.

    Attributes:
        facts: the affine map.
        size: h.
        lipschitz: proven Lipschitz bound of the step in exact arithmetic.
    """

    facts: OperatorFacts
    size: float
    lipschitz: float


def layer_bound_of_steps(steps, activation: Activation, gain, dtype: str, derivation: str):
    """Returns the `LayerBound` of a sequence of steps.

    The Lipschitz bound is the product of the steps'. The rounding error of the computed steps obeys
    `‖fl(x_n) - x_n‖ <= rounding_slope ‖x‖ + rounding_offset` for every x: every term is a triangle
    inequality; the assumptions are those of `lipzoo.rounding.affine_rounding`.

    Args:
        steps: `Step`s in the order in which they are taken.
        activation, gain: as in the layer; the gain is a float, or an array with one per neuron.
        dtype: the arithmetic, `"float32"` for instance.
        derivation: how the bound was derived, in a few words.
    """
    value, offset = 1.0, 0.0
    # Bounds that are affine in ‖x‖ are written [offset, slope].
    state, error = np.array([0.0, 1.0]), np.zeros(2)
    for step in steps:
        drift = _drift(step, activation, gain)
        value = mul_up(value, step.lipschitz)
        offset = add_up(mul_up(step.lipschitz, offset), drift)
        with np.errstate(invalid="ignore"):
            local = _one_step(state + error, step.facts, activation, gain, step.size, dtype)
        error = step.lipschitz * error + local
        state = step.lipschitz * state + _constant(drift)
    constant, slope = inflated(error, operations=_OPERATIONS * len(steps))
    return LayerBound(
        value=value,
        derivation=derivation,
        offset=offset,
        rounding_slope=or_infinite(slope),
        rounding_offset=or_infinite(constant),
    )


def or_infinite(error: float) -> float:
    """An error bound, infinite where it is `0 * inf`: after sums too long for the arithmetic."""
    return math.inf if math.isnan(error) else float(error)


def _drift(step, activation, gain):
    """A bound on how far the step moves 0, `h ‖Aᵀσ(b)‖`."""
    return mul_up(step.size, step.facts.norm, _response_at_bias(step.facts, activation, gain))


def _one_step(state, facts, activation, gain, step_size, dtype):
    """The error of one computed step on an input of norm at most `state`."""
    unit = unit_roundoff(dtype)
    beta, norm = activation.upper, facts.norm
    slope, offset = facts.rounding(dtype)
    rounded = slope * state + _constant(offset)
    preactivation = norm * state + _constant(facts.bias_norm) + rounded
    at_bias = _constant(_response_at_bias(facts, activation, gain))
    response = beta * (norm * state + rounded) + at_bias
    relative, absolute = activation.rounding(unit, gain)
    response_error = beta * rounded + _constant(repeated(absolute, facts.outputs))
    if relative:
        response_error = response_error + relative * preactivation
    response = response + response_error
    gradient_error = norm * response_error + facts.adjoint_rounding(dtype) * response
    gradient = norm * response + gradient_error
    # One rounding for h itself, one for the product with it, one for the difference.
    product_error = step_size * (gradient_error + 2 * (1 + unit) * unit * gradient)
    return product_error + unit * (state + step_size * gradient * (1 + unit) ** 2)


def _response_at_bias(facts, activation, gain):
    """‖σ(b)‖ over all outputs; ‖σ(Ax + b)‖ exceeds it by at most β‖A‖‖x‖."""
    bias = np.zeros(1) if facts.bias is None else facts.bias.astype("float64")
    factors = ops.convert_to_tensor(gain) if isinstance(gain, np.ndarray) else gain
    response = ops.convert_to_numpy(activation(ops.convert_to_tensor(bias), factors))
    # Some backends evaluate this in float32 whatever it is given.
    relative, absolute = activation.rounding(unit_roundoff("float32"), gain)
    bias = np.broadcast_to(bias, response.shape)
    error = add_up(mul_up(relative, norm_up(bias)), repeated(absolute, bias.size))
    return repeated(add_up(norm_up(response), error), facts.outputs / bias.size)


def _constant(value):
    return np.array([value, 0.0])
