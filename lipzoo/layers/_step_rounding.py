"""Steps along gradients of potentials: their Lipschitz bound, and their rounding error bounded."""

import math
from dataclasses import dataclass

import numpy as np
from keras import ops

from lipzoo.activations import Activation
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._constrained import array, check_operator
from lipzoo.operators import ConvolutionOperator, DenseOperator
from lipzoo.rounding import (
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
class AffineMap:
    """The map `x ↦ Ax + b` of a layer, for the weights as they are now.

    Attributes:
        operator: A.
        bias: the bias, repeated over the outputs; None without bias.
    """

    operator: DenseOperator | ConvolutionOperator
    bias: np.ndarray | None

    @property
    def outputs(self) -> float:
        """Number of entries of Ax."""
        return self.operator.summation.outputs

    @property
    def bias_norm(self) -> float:
        """The Euclidean norm of the bias over all outputs."""
        if self.bias is None:
            return 0.0
        return repeated(norm_up(self.bias), self.outputs / self.bias.size)

    def bias_rounding(self, dtype) -> float:
        """What the bias, added to finished sums, adds to the error of the computed Ax + b."""
        fan_in = self.operator.summation.fan_in
        _, offset = affine_rounding(fan_in, 0.0, None, self.bias_norm, dtype, bias_last=True)
        return offset


def affine_map(layer, input_shape, kernel, bias) -> AffineMap:
    """Returns the map of some of a layer's weights on inputs of this shape.

    Raises:
        ValueError: if they are of other shapes than the layer was built with.
    """
    kernel, bias = array(kernel), array(bias)
    check_operator(layer, kernel, bias, layer._kernel_shape(input_shape))
    return AffineMap(layer._operator(input_shape, kernel), bias)


@dataclass(frozen=True)
class Step:
    """One step `x ↦ x ± h Aᵀσ(Ax + b)`, on all of the state or from one half to the other.

    Attributes:
        affine: the affine map.
        size: h.
        lipschitz: proven Lipschitz bound of the step in exact arithmetic.
    """

    affine: AffineMap
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
            local = _one_step(state + error, step.affine, activation, gain, step.size, dtype)
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
    response = _response_at_bias(step.affine, activation, gain)
    return mul_up(step.size, step.affine.operator.norm_bound, response)


def _one_step(state, affine, activation, gain, step_size, dtype):
    """The error of one computed step on an input of norm at most `state`."""
    unit = unit_roundoff(dtype)
    beta, norm = activation.upper, affine.operator.norm_bound
    slope, adjoint_slope = affine.operator.rounding(dtype)
    rounded = slope * state + _constant(affine.bias_rounding(dtype))
    preactivation = norm * state + _constant(affine.bias_norm) + rounded
    at_bias = _constant(_response_at_bias(affine, activation, gain))
    response = beta * (norm * state + rounded) + at_bias
    relative, absolute = activation.rounding(unit, gain)
    response_error = beta * rounded + _constant(repeated(absolute, affine.outputs))
    if relative:
        response_error = response_error + relative * preactivation
    response = response + response_error
    gradient_error = norm * response_error + adjoint_slope * response
    gradient = norm * response + gradient_error
    # One rounding for h itself, one for the product with it, one for the difference.
    product_error = step_size * (gradient_error + 2 * (1 + unit) * unit * gradient)
    return product_error + unit * (state + step_size * gradient * (1 + unit) ** 2)


def _response_at_bias(affine, activation, gain):
    """‖σ(b)‖ over all outputs; ‖σ(Ax + b)‖ exceeds it by at most β‖A‖‖x‖."""
    bias = np.zeros(1) if affine.bias is None else affine.bias.astype("float64")
    factors = ops.convert_to_tensor(gain) if isinstance(gain, np.ndarray) else gain
    response = ops.convert_to_numpy(activation(ops.convert_to_tensor(bias), factors))
    # Some backends evaluate this in float32 whatever it is given.
    relative, absolute = activation.rounding(unit_roundoff("float32"), gain)
    bias = np.broadcast_to(bias, response.shape)
    error = add_up(mul_up(relative, norm_up(bias)), repeated(absolute, bias.size))
    return repeated(add_up(norm_up(response), error), affine.outputs / bias.size)


def _constant(value):
    return np.array([value, 0.0])
