"""Convolutions with a bounded operator norm."""

import keras

from lipzoo.layers._affine import AffineLayer
from lipzoo.layers._convolution import ConvolutionLayer
from lipzoo.validation import integer


class _SpectralConv(ConvolutionLayer, AffineLayer):
    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="same",
        shift=0,
        activation=None,
        use_bias=True,
        kernel_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_constraint=None,
        **kwargs,
    ):
        super().__init__(
            integer(filters, "filters"),
            kernel_size,
            strides,
            padding,
            shift,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            **kwargs,
        )

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self._geometry(input_shape).output_spatial, self.filters)


@keras.saving.register_keras_serializable(package="lipzoo")
class SpectralConv2D(_SpectralConv):
    """1-Lipschitz 2-D convolution: `y = σ(Ax + b)` with `‖A‖ <= bound`.

    Input of shape `(batch, height, width, channels)`, channels last.

    Guarantee: the Lipschitz constant in the Euclidean norm is at most the largest slope of σ times
    the norm of the convolution as the operator that it is, padding and strides included. The
    constraint keeps that norm at most its bound (1 by default) after every optimizer step, for
    images of every size; `lipschitz_bound` proves it in float64 for the actual size.

    Args:
        filters: output channels.
        kernel_size, strides: an int or one int per axis; strides at most the kernel size.
        padding: `"same"` (zeros), `"valid"` or `"circular"` (sizes divisible by the strides).
        shift: cyclic shift in pixels before the convolution; needs circular padding.
        activation: an activation with known slopes, or None for a linear layer.
        use_bias, kernel_initializer, bias_initializer, kernel_constraint: as in `SpectralDense`.

    Raises:
        ValueError: for an activation without a known slope interval, arguments out of range, or
            shapes that do not fit.

    Reference: arXiv 2510.22299.

    Example:

    >>> import numpy as np
    >>> layer = SpectralConv2D(4, kernel_size=3)
    >>> layer(np.zeros((1, 8, 8, 3), "float32")).shape == (1, 8, 8, 4)
    True
    >>> layer.lipschitz_bound((1, 8, 8, 3)).value <= 1.0
    True
    """

    rank = 2


@keras.saving.register_keras_serializable(package="lipzoo")
class SpectralConv1D(_SpectralConv):
    """1-Lipschitz 1-D convolution: `SpectralConv2D` on sequences.

    Input of shape `(batch, length, channels)`. Arguments, guarantee and errors are those of
    `SpectralConv2D`.

    Example:

    >>> import numpy as np
    >>> layer = SpectralConv1D(4, kernel_size=3, strides=2)
    >>> layer(np.zeros((1, 8, 3), "float32")).shape == (1, 4, 4)
    True
    """

    rank = 1
