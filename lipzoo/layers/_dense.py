"""What the layers that are built on a matrix share."""

import keras

from lipzoo.operators import DenseOperator
from lipzoo.validation import check_neurons, neurons


class DenseLayer(keras.layers.Layer):
    """Mixin: units and operator of `A: x ↦ Kᵀx` on the last axis."""

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

    def _operator(self, input_shape, kernel):
        return DenseOperator(kernel, input_shape[1:-1])
