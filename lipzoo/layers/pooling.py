"""Average pooling scaled to norm 1."""

import math

import keras
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._constrained import channels_of
from lipzoo.layers._sizes import with_built_sizes
from lipzoo.rounding import affine_rounding
from lipzoo.validation import integers


class _ScaledAveragePooling(keras.layers.Layer):
    rank: int

    def __init__(self, pool_size=2, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = None if pool_size is None else integers(pool_size, self.rank, "pool_size")
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def build(self, input_shape):
        channels_of(input_shape, self.rank, self)
        self.compute_output_shape(input_shape)

    def call(self, inputs):
        inputs = with_built_sizes(self, inputs)
        *spatial, channels = inputs.shape[1:]
        window = self.pool_size or tuple(spatial)
        split = [axis for n, k in zip(spatial, window, strict=True) for axis in (n // k, k)]
        blocks = ops.reshape(inputs, (-1, *split, channels))
        total = ops.sum(blocks, axis=tuple(range(2, 2 * self.rank + 1, 2)))
        return total * (1.0 / math.sqrt(math.prod(window)))

    def compute_output_shape(self, input_shape):
        spatial = input_shape[1:-1]
        window = self.pool_size or spatial
        if any(n is None or n % k for n, k in zip(spatial, window, strict=True)):
            raise ValueError(
                f"{type(self).__name__} with pool_size={self.pool_size} expects spatial sizes "
                f"divisible by it. Received: input_shape={tuple(input_shape)}"
            )
        sizes = (n // k for n, k in zip(spatial, window, strict=True))
        return (input_shape[0], *sizes, input_shape[-1])

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound 1; the rounded factor counts as rounding."""
        count = math.prod(self.pool_size or input_shape[1:-1])
        slope, _ = affine_rounding(count + 2, 1.0, dtype=self.compute_dtype, absolute_norm=1.0)
        return LayerBound(1.0, "orthonormal rows", 0.0, slope, 0.0)

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size}


@keras.saving.register_keras_serializable(package="lipzoo")
class ScaledAveragePooling2D(_ScaledAveragePooling):
    """Average pooling scaled to operator norm 1: the sum over a window / √(its size).

    Windows do not overlap. Plain averaging has norm `1/√(window size)` and throws certified radius
    away; the rows of this layer are orthonormal.

    Input of shape `(batch, height, width, channels)`, spatial sizes divisible by the pool size.

    Guarantee: Lipschitz constant exactly 1 in the Euclidean norm.

    Args:
        pool_size: an int or one int per axis; None for the whole map (one value per channel).

    Raises:
        ValueError: if a spatial size is not divisible by `pool_size`.

    Example:

    >>> import numpy as np
    >>> layer = ScaledAveragePooling2D(2)
    >>> keras.ops.convert_to_numpy(layer(np.ones((1, 2, 2, 1), "float32"))).ravel().tolist()
    [2.0]
    """

    rank = 2


@keras.saving.register_keras_serializable(package="lipzoo")
class ScaledAveragePooling1D(_ScaledAveragePooling):
    """Average pooling of sequences scaled to operator norm 1.

    `ScaledAveragePooling2D` in one dimension: non-overlapping windows, the sum over √(size).

    Input of shape `(batch, length, channels)`, the length divisible by the pool size.

    Example:

    >>> import numpy as np
    >>> ScaledAveragePooling1D(None)(np.ones((1, 4, 3), "float32")).shape == (1, 1, 3)
    True
    """

    rank = 1
