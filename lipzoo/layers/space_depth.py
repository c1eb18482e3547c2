"""Rearrangements between space and channels."""

import keras
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._sizes import with_built_sizes
from lipzoo.validation import integer


class _Rearrangement(keras.layers.Layer):
    def __init__(self, block_size=2, **kwargs):
        super().__init__(**kwargs)
        self.block_size = integer(block_size, "block_size")

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}

    def build(self, input_shape):
        self.compute_output_shape(input_shape)

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound 1."""
        return LayerBound.exact(1.0, "permutation")

    def _refuse(self, what, input_shape):
        raise ValueError(
            f"{type(self).__name__} with block_size={self.block_size} expects inputs of shape "
            f"(batch, *spatial, channels) with {what}. Received: input_shape={tuple(input_shape)}"
        )


def space_to_depth(inputs, k):
    """Moves blocks of `k^d` pixels of a tensor `(batch, *spatial, channels)` into its channels."""
    *spatial, channels = inputs.shape[1:]
    rank = len(spatial)
    split = [axis for length in spatial for axis in (length // k, k)]
    inputs = ops.reshape(inputs, (-1, *split, channels))
    order = (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
    shape = (-1, *(length // k for length in spatial), channels * k**rank)
    return ops.reshape(ops.transpose(inputs, order), shape)


@keras.saving.register_keras_serializable(package="lipzoo")
class SpaceToDepth(_Rearrangement):
    """Moves blocks of pixels into channels, a permutation of the entries.

    Input of shape `(batch, *spatial, c)` with one or two spatial axes, each divisible by
    `block_size = k`; output of shape `(batch, *(spatial / k), c · k^d)`.

    Guarantee: an isometry, Lipschitz constant exactly 1, exact in floating point.

    Raises:
        ValueError: if a spatial size is unknown or not divisible by `block_size`.

    Example:

    >>> import numpy as np
    >>> x = np.arange(4, dtype="float32").reshape(1, 4, 1)
    >>> keras.ops.convert_to_numpy(SpaceToDepth(2)(x)).tolist()
    [[[0.0, 1.0], [2.0, 3.0]]]
    """

    def call(self, inputs):
        return space_to_depth(with_built_sizes(self, inputs), self.block_size)

    def compute_output_shape(self, input_shape):
        *spatial, channels = input_shape[1:]
        k = self.block_size
        if len(spatial) not in (1, 2) or any(n is None or n % k for n in spatial):
            self._refuse("one or two spatial axes divisible by the block size", input_shape)
        return (input_shape[0], *(n // k for n in spatial), channels * k ** len(spatial))


@keras.saving.register_keras_serializable(package="lipzoo")
class DepthToSpace(_Rearrangement):
    """Moves channels into blocks of pixels, the inverse of `SpaceToDepth`.

    Input of shape `(batch, *spatial, c)` with one or two spatial axes d and c divisible by
    `block_size^d`; output of shape `(batch, *(spatial · k), c / k^d)`.

    Guarantee: an isometry, Lipschitz constant exactly 1, exact in floating point.

    Raises:
        ValueError: if the number of channels is unknown or not divisible.

    Example:

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype("float32")
    >>> y = DepthToSpace(2)(SpaceToDepth(2)(x))
    >>> bool(np.all(keras.ops.convert_to_numpy(y) == x))
    True
    """

    def call(self, inputs):
        inputs = with_built_sizes(self, inputs)
        k, (*spatial, channels) = self.block_size, inputs.shape[1:]
        rank = len(spatial)
        inputs = ops.reshape(inputs, (-1, *spatial, *(k,) * rank, channels // k**rank))
        pairs = (axis for i in range(1, rank + 1) for axis in (i, i + rank))
        shape = self.compute_output_shape((-1, *spatial, channels))
        return ops.reshape(ops.transpose(inputs, (0, *pairs, 2 * rank + 1)), shape)

    def compute_output_shape(self, input_shape):
        *spatial, channels = input_shape[1:]
        blocks = self.block_size ** len(spatial)
        if len(spatial) not in (1, 2) or None in spatial or channels is None or channels % blocks:
            self._refuse("one or two spatial axes and channels divisible by the block", input_shape)
        return (
            input_shape[0],
            *(n * self.block_size for n in spatial),
            channels // blocks,
        )
