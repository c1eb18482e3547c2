"""What the layers that are built on a matrix share."""

import math

import keras
from keras import ops

from lipzoo.layers._constrained import check_operator
from lipzoo.layers._step_rounding import OperatorFacts
from lipzoo.spectral import absolute_norm_bound, dense_norm_bound
from lipzoo.validation import check_neurons, neurons


class DenseLayer(keras.layers.Layer):
    """Mixin: units and facts of the operator `A: x ↦ Kᵀx` on the last axis."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = check_neurons(units, "units")
        self.input_spec = self._accepted()

    def _accepted(self, **axes):
        return keras.layers.InputSpec(min_ndim=2, **axes)

    def _kernel_shape(self, input_shape):
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                f"{type(self).__name__} expects a known last axis. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return (features, neurons(self.units, features))

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    def _operator(self, input_shape):
        return (
            lambda inputs, kernel: ops.matmul(inputs, kernel),
            lambda outputs, kernel: ops.matmul(outputs, ops.transpose(kernel)),
        )

    def _operator_facts(self, input_shape, kernel, bias):
        check_operator(self, kernel, bias, self._kernel_shape(input_shape))
        return dense_facts(input_shape, kernel, bias)


def dense_facts(input_shape, kernel, bias) -> OperatorFacts:
    """Returns the facts of `x ↦ Kᵀx + b`, applied at every position of `input_shape`."""
    norm = dense_norm_bound(kernel)
    positions = math.prod(math.inf if size is None else size for size in input_shape[1:-1])
    return OperatorFacts(
        norm=norm,
        partial_norm=norm,
        absolute_norm=absolute_norm_bound(kernel),
        derivation="Gram eigenvalue",
        fan_in=kernel.shape[0],
        fan_out=kernel.shape[1],
        inputs=positions * kernel.shape[0],
        outputs=positions * kernel.shape[1],
        bias=bias,
    )
