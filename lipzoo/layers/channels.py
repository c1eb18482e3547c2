"""Layers that change the number of channels without touching any number."""

import keras
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._sizes import with_built_sizes
from lipzoo.validation import integer


class _Channels(keras.layers.Layer):
    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = integer(channels, "channels")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.channels)

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable(package="lipzoo")
class Lift(_Channels):
    """Appends zero channels, an isometry: `x ↦ (x, 0)`.

    Input of shape `(batch, ..., c)`, output of shape `(batch, ..., channels)`, `channels >= c`.

    Guarantee: Lipschitz constant exactly 1, and exact in floating point.

    Raises:
        ValueError: if the input has more than `channels` channels.

    Example:

    >>> import numpy as np
    >>> keras.ops.convert_to_numpy(Lift(3)(np.ones((1, 2), "float32"))).tolist()
    [[1.0, 1.0, 0.0]]
    """

    def build(self, input_shape):
        if input_shape[-1] is None or input_shape[-1] > self.channels:
            raise ValueError(
                f"Lift expects at most {self.channels} channels. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs):
        inputs = with_built_sizes(self, inputs)
        missing = self.channels - inputs.shape[-1]
        return ops.pad(inputs, [(0, 0)] * (len(inputs.shape) - 1) + [(0, missing)])

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound 1."""
        return LayerBound.exact(1.0, "isometry: zero channels")


@keras.saving.register_keras_serializable(package="lipzoo")
class Project(_Channels):
    """Keeps the first channels: `(x, y) ↦ x`.

    Input of shape `(batch, ..., c)`, output of shape `(batch, ..., channels)`, `channels <= c`.

    Guarantee: Lipschitz constant at most 1, and exact in floating point.

    Raises:
        ValueError: if the input has fewer than `channels` channels.

    Example:

    >>> import numpy as np
    >>> keras.ops.convert_to_numpy(Project(1)(np.ones((1, 2), "float32"))).tolist()
    [[1.0]]
    """

    def build(self, input_shape):
        if input_shape[-1] is None or input_shape[-1] < self.channels:
            raise ValueError(
                f"Project expects at least {self.channels} channels. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs):
        return inputs[..., : self.channels]

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound 1."""
        return LayerBound.exact(1.0, "orthogonal projection")
