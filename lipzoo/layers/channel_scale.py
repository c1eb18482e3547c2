"""A factor and a shift for every channel."""

import keras
import numpy as np
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.constraints import MaxModulus
from lipzoo.layers._constrained import array
from lipzoo.rounding import gamma, mul_up, norm_up, repeated


@keras.saving.register_keras_serializable(package="lipzoo")
class ChannelScale(keras.layers.Layer):
    """1-Lipschitz affine map of every channel: `y_c = s_c x_c + t_c`, `|s_c| <= 1`.

    What batch normalisation is at inference, with a bounded factor and without statistics.

    Input and output of shape `(batch, ..., channels)`; channels along `axis`.

    Guarantee: the Lipschitz constant in the Euclidean norm is exactly `max |s_c|`. The constraint
    keeps it at most its bound (1 by default) after every optimizer step.

    Args:
        axis: axis of the channels, not that of the batch.
        scale_constraint: a `MaxModulus`; None for `MaxModulus(1.0)`.

    Raises:
        ValueError: if the constraint is another one, or the channels are not known.

    Reference: batch normalisation, arXiv 1502.03167.

    Example:

    >>> import numpy as np
    >>> layer = ChannelScale()
    >>> layer.build((None, 2))
    >>> layer.set_weights([np.array([0.5, -1.0]), np.array([0.0, 3.0])])
    >>> keras.ops.convert_to_numpy(layer(np.ones((1, 2), "float32"))).tolist()
    [[0.5, 2.0]]
    """

    def __init__(self, axis=-1, scale_constraint=None, **kwargs):
        super().__init__(**kwargs)
        constraint = keras.constraints.get(scale_constraint)
        self.scale_constraint = MaxModulus(1.0) if constraint is None else constraint
        if not isinstance(self.scale_constraint, MaxModulus):
            raise ValueError(
                "scale_constraint must be a lipzoo.constraints.MaxModulus. "
                f"Received: scale_constraint={scale_constraint!r}"
            )
        self.axis = axis

    def build(self, input_shape):
        rank = len(input_shape)
        known = isinstance(self.axis, int) and -rank <= self.axis < rank and self.axis % rank
        if not known or input_shape[self.axis] is None:
            raise ValueError(
                f"ChannelScale expects a known number of channels along axis {self.axis}, which is "
                f"not the batch axis. Received: input_shape={tuple(input_shape)}"
            )
        channels = input_shape[self.axis]
        self.scale = self.add_weight(
            name="scale",
            shape=(channels,),
            initializer=keras.initializers.Constant(min(1.0, self.scale_constraint.bound)),
            constraint=self.scale_constraint,
        )
        self.shift = self.add_weight(name="shift", shape=(channels,), initializer="zeros")
        self.input_spec = keras.layers.InputSpec(ndim=rank, axes={self.axis % rank: channels})

    def call(self, inputs):
        shape = [1] * len(inputs.shape)
        shape[self.axis] = -1
        return inputs * ops.reshape(self.scale, shape) + ops.reshape(self.shift, shape)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound `max |s_c|` for the weights as they are now."""
        scale, shift = (array(weight).astype("float64") for weight in (self.scale, self.shift))
        if not scale.shape == shift.shape == (input_shape[self.axis],):
            raise ValueError(
                f"Expected layer '{self.name}' to have {input_shape[self.axis]} factors and "
                f"shifts. Received: shapes {scale.shape} and {shift.shape}"
            )
        value = float(np.max(np.abs(scale), initial=0.0))
        sizes = [size for axis, size in enumerate(input_shape) if axis % len(input_shape)]
        sizes.remove(input_shape[self.axis])
        positions = None if None in sizes else int(np.prod(sizes))
        offset = repeated(norm_up(shift), positions)
        # In mixed precision the factor and the shift are cast; then a product and a sum.
        unit = gamma(3, self.compute_dtype)
        return LayerBound(
            value, "largest factor", offset, mul_up(unit, value), mul_up(unit, offset)
        )

    def get_config(self):
        return {
            **super().get_config(),
            "axis": self.axis,
            "scale_constraint": keras.constraints.serialize(self.scale_constraint),
        }
