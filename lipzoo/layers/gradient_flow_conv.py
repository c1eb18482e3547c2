"""Gradient flows with convolution operators."""

import keras

from lipzoo.layers._convolution import ConvolutionLayer
from lipzoo.layers.gradient_flow import GradientFlow


class _GradientFlowConv(ConvolutionLayer, GradientFlow):
    def __init__(
        self,
        filters=None,
        kernel_size=3,
        strides=1,
        padding="same",
        shift=0,
        time=None,
        activation="relu",
        gain=1.0,
        train_gain=False,
        use_bias=True,
        kernel_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_constraint=None,
        **kwargs,
    ):
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            shift,
            time=time,
            activation=activation,
            gain=gain,
            train_gain=train_gain,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            **kwargs,
        )


@keras.saving.register_keras_serializable(package="lipzoo")
class GradientFlowConv2D(_GradientFlowConv):
    """Non-expansive 2-D convolutional layer: steps of `x' = -Aᵀσ(Ax + b)`.

    A is a convolution, Aᵀ its exact adjoint (the transposed convolution, with wrapped margins added
    back), and one step is `ψ(x) = x - h Aᵀσ(Ax + b)`. With `strides == kernel_size` the operator is
    one small matrix applied to disjoint patches, and its norm is exactly the matrix's; alternate
    `shift` between layers so that the patches overlap (circular padding).

    Input and output: tensors of shape `(batch, height, width, channels)`, channels last.

    Guarantee: 1-Lipschitz in the Euclidean norm as long as ‖A‖ is at most the constraint's bound,
    which the constraint restores after every optimizer step for images of every size;
    `lipschitz_bound` proves it in float64 for the actual size, from the weights as they are.

    Args:
        filters: output channels of A; None for `channels · prod(strides)`, a square patch matrix,
            `"half"` for half of that.
        kernel_size, strides: an int or one int per axis; strides at most the kernel size.
        padding: `"same"` (zeros), `"valid"` or `"circular"` (sizes divisible by the strides).
        shift: cyclic shift in pixels before A (undone after Aᵀ); needs circular padding.
        time: integration time T; None for the longest single step, `2 / (β bound²)`.
        activation: a non-decreasing activation with known slopes, see `lipzoo.activations.known()`.
        gain, train_gain, use_bias, kernel_initializer, bias_initializer, kernel_constraint: as in
            `GradientFlowDense`.
        **kwargs: Keras' `name`, `dtype`, `trainable`.

    Raises:
        ValueError: for an activation without a known slope interval, arguments out of range, or
            shapes that do not fit.

    Reference: arXiv 2510.22299.

    Example:

    >>> import numpy as np
    >>> layer = GradientFlowConv2D(kernel_size=2, strides=2, padding="circular", shift=1)
    >>> layer(np.zeros((1, 8, 8, 3), "float32")).shape == (1, 8, 8, 3)
    True
    >>> layer.lipschitz_bound((1, 8, 8, 3)).value
    1.0
    """

    rank = 2


@keras.saving.register_keras_serializable(package="lipzoo")
class GradientFlowConv1D(_GradientFlowConv):
    """Non-expansive 1-D convolutional layer: `GradientFlowConv2D` on sequences.

    Input and output: tensors of shape `(batch, length, channels)`. Arguments, guarantee and errors
    are those of `GradientFlowConv2D`.

    Example:

    >>> import numpy as np
    >>> layer = GradientFlowConv1D(kernel_size=3, activation="tanh", time=4.0)
    >>> layer.substeps
    2
    >>> layer(np.zeros((1, 8, 3), "float32")).shape == (1, 8, 3)
    True
    """

    rank = 1
