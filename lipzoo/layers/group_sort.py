"""Sorting as an activation."""

import keras
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._sizes import with_built_sizes
from lipzoo.validation import integer


@keras.saving.register_keras_serializable(package="lipzoo")
class GroupSort(keras.layers.Layer):
    """Sorts channels within groups (`group_size=2`: MaxMin), arXiv 1811.05381.

    Input and output of shape `(batch, ..., channels)`, channels divisible by `group_size`; each
    group of neighbouring channels comes out in ascending order.

    Guarantee: 1-Lipschitz in the Euclidean norm (sorting is a permutation on each piece of a
    partition of space, and continuous), gradient norms are kept, exact in floating point.

    Raises:
        ValueError: if the channels are not divisible by `group_size`.

    Example:

    >>> import numpy as np
    >>> x = np.array([[3.0, 1.0, 2.0, 5.0]], "float32")
    >>> keras.ops.convert_to_numpy(GroupSort(2)(x)).tolist()
    [[1.0, 3.0, 2.0, 5.0]]
    """

    def __init__(self, group_size=2, **kwargs):
        super().__init__(**kwargs)
        self.group_size = integer(group_size, "group_size")

    def build(self, input_shape):
        if input_shape[-1] is None or input_shape[-1] % self.group_size:
            raise ValueError(
                f"GroupSort expects channels divisible by group_size={self.group_size}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs):
        inputs = with_built_sizes(self, inputs)
        *leading, channels = inputs.shape[1:]
        groups = ops.reshape(inputs, (-1, *leading, channels // self.group_size, self.group_size))
        if self.group_size == 2:
            first, second = groups[..., 0], groups[..., 1]
            ordered = [ops.minimum(first, second), ops.maximum(first, second)]
            groups = ops.stack(ordered, axis=-1)
        else:
            groups = ops.sort(groups, axis=-1)
        return ops.reshape(groups, (-1, *leading, channels))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound 1."""
        return LayerBound.exact(1.0, "sorting")

    def get_config(self):
        return {**super().get_config(), "group_size": self.group_size}
