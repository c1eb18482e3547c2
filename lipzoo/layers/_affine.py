"""What the dense and convolutional 1-Lipschitz layers `x ↦ σ(Ax + b)` share."""

import keras

from lipzoo import activations
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._constrained import add_operator, spectral_constraint
from lipzoo.layers._sizes import with_built_sizes
from lipzoo.layers._step_rounding import AffineMap, affine_map, or_infinite
from lipzoo.rounding import inflated, mul_up, repeated, unit_roundoff


class AffineLayer(keras.layers.Layer):
    """Base of the layers `x ↦ σ(Ax + b)` with a bounded operator A."""

    def __init__(
        self,
        activation=None,
        use_bias=True,
        kernel_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_constraint=None,
        strides=1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_constraint = spectral_constraint(kernel_constraint, strides)

    def build(self, input_shape):
        self.kernel, self.bias = add_operator(self, input_shape)
        self.input_spec = self._accepted(axes={-1: input_shape[-1]})

    def call(self, inputs):
        inputs = with_built_sizes(self, inputs)
        outputs = self._operator(inputs.shape, self.kernel).apply(inputs)
        if self.bias is not None:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the proven bound `sup|σ'| ‖A‖` for the weights as they are now."""
        affine = affine_map(self, tuple(input_shape), self.kernel, self.bias)
        return affine_bound(affine, self.activation, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "activation": self.activation.name,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }


def affine_bound(affine: AffineMap, activation, dtype) -> LayerBound:
    """Returns the `LayerBound` of `σ(Ax + b)`: `sup|σ'| ‖A‖`, ‖σ(b)‖ and the rounding error."""
    activation = activations.get(activation)
    norm, outputs = affine.operator.norm_bound, affine.outputs
    (slope, _), offset = affine.operator.rounding(dtype), affine.bias_rounding(dtype)
    beta = activation.lipschitz
    relative, absolute = activation.rounding(unit_roundoff(dtype))
    absolute = repeated(absolute, outputs)
    at_zero = repeated(abs(activation.at_zero), outputs)
    rounding_offset = beta * offset + absolute
    if relative:
        rounding_offset += relative * (affine.bias_norm + offset)
    rounding_slope = beta * slope + relative * (norm + slope)
    return LayerBound(
        value=mul_up(beta, norm),
        derivation=affine.operator.derivation,
        offset=inflated(beta * affine.bias_norm + at_zero, operations=2),
        rounding_slope=or_infinite(inflated(rounding_slope, operations=3)),
        rounding_offset=or_infinite(inflated(rounding_offset, operations=3)),
    )
