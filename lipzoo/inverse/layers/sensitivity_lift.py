"""A lift that tells the following layers where the measurement looks."""

import keras
import numpy as np
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.inverse.layers._with_operator import OperatorLayer
from lipzoo.rounding import hypot_up, mul_up, unit_roundoff
from lipzoo.validation import integer


@keras.saving.register_keras_serializable(package="lipzoo")
class SensitivityLift(OperatorLayer):
    """Appends the operator's sensitivity image and zero channels: `x ↦ (x, s, 0)`.

    The sensitivity image `s = Aᵀ𝟙`, divided by its largest modulus, says how much the measurement
    sees of every pixel. Convolutions are the same everywhere and do not know it: a dark pixel and a
    missing one look alike to them. For a `Mask` it is the mask.

    Input: images `(batch, *operator.input_shape)` with c channels. Output: states
    `(batch, *spatial, channels)`, `channels >= 2c`.

    Guarantee: an affine isometry, of Lipschitz constant exactly 1. Nothing is rounded but s, when
    it is cast to the compute dtype.

    Args:
        operator: the forward operator A, a `lipzoo.inverse.LinearOperator`.
        channels: number of channels of the state.
        **kwargs: Keras' `name`, `dtype`.

    Raises:
        ValueError: if there are too few channels, or the input is not of the operator's shape.

    Reference: sensitivity images in emission tomography, doi:10.1109/TMI.1982.4307558.

    Example:

    >>> from lipzoo.inverse import Mask
    >>> lift = SensitivityLift(Mask([[1.0], [0.0]]), 3)
    >>> keras.ops.convert_to_numpy(lift(np.full((1, 2, 1), 0.5)))[0].tolist()
    [[0.5, 1.0, 0.0], [0.5, 0.0, 0.0]]
    """

    def __init__(self, operator, channels, **kwargs):
        super().__init__(operator, **kwargs)
        self.channels = integer(channels, "channels")
        needed = 2 * self.operator.input_shape[-1]
        if self.channels < needed:
            raise ValueError(
                f"channels must be at least {needed}, for the image and its sensitivity. "
                f"Received: channels={channels}"
            )
        self.sensitivity = _sensitivity(self.operator)

    def build(self, input_shape):
        if tuple(input_shape[1:]) != self.operator.input_shape:
            raise ValueError(
                f"SensitivityLift expects images of shape {(None, *self.operator.input_shape)}, "
                f"as its operator takes them. Received: {tuple(input_shape)}"
            )

    def call(self, inputs):
        missing = self.channels - self.sensitivity.shape[-1] - inputs.shape[-1]
        constant = np.pad(self.sensitivity, [(0, 0)] * (self.sensitivity.ndim - 1) + [(0, missing)])
        constant = ops.cast(ops.convert_to_tensor(constant), inputs.dtype)
        constant = ops.broadcast_to(constant, (ops.shape(inputs)[0], *constant.shape))
        return ops.concatenate([inputs, constant], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.channels)

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound 1, and the norm of s as the offset."""
        offset = hypot_up(*np.abs(self.sensitivity).ravel().tolist())
        cast = 0.0 if self.compute_dtype == "float64" else unit_roundoff(self.compute_dtype)
        derivation = "isometry: sensitivity and zero channels"
        return LayerBound(1.0, derivation, offset, 0.0, mul_up(cast, offset))


def _sensitivity(operator):
    """`Aᵀ𝟙` of largest modulus 1, as float64; zeros if it vanishes."""
    ones = ops.ones((1, *operator.output_shape), dtype="float32")
    image = ops.convert_to_numpy(operator.adjoint(ones))[0].astype("float64")
    largest = np.abs(image).max()
    return image / largest if largest > 0 else image
