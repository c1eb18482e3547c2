"""What the layers that are built on a matrix share."""

import math

import keras
from keras import ops

from lipzoo.layers._constrained import (
    add_bias,
    add_projected_kernel,
    array,
    bias_of,
    positive_integer,
)
from lipzoo.layers._step_rounding import OperatorFacts
from lipzoo.spectral import dense_norm_bound


class DenseLayer(keras.layers.Layer):
    """Mixin: units, weights and facts of the operator `A: x ↦ Kᵀx` on the last axis."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = None if units is None else positive_integer(units, "units")
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape):
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                f"{type(self).__name__} expects a known last axis. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        units = self.units or features
        self.kernel = add_projected_kernel(self, (features, units))
        add_bias(self, units)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: features})

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    def _operator(self, input_shape):
        return (
            lambda inputs: ops.matmul(inputs, self.kernel),
            lambda outputs: ops.matmul(outputs, ops.transpose(self.kernel)),
        )

    def _operator_facts(self, input_shape):
        return dense_facts(array(self.kernel), bias_of(self), input_shape)


def dense_facts(kernel, bias, input_shape) -> OperatorFacts:
    """Returns the facts of `x ↦ Kᵀx + b`, applied at every position of `input_shape`."""
    norm = dense_norm_bound(kernel)
    positions = math.prod(math.inf if size is None else size for size in input_shape[1:-1])
    return OperatorFacts(
        norm=norm,
        partial_norm=norm,
        derivation="Gram eigenvalue",
        fan_in=kernel.shape[0],
        fan_out=kernel.shape[1],
        outputs=positions * kernel.shape[1],
        bias=bias,
    )
