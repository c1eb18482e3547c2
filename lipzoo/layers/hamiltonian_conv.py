"""Hamiltonian steps with convolution operators."""

import keras

from lipzoo.layers._convolution import ConvolutionLayer
from lipzoo.layers.hamiltonian import Hamiltonian


class _HamiltonianConv(ConvolutionLayer, Hamiltonian):
    def __init__(
        self,
        filters=None,
        kernel_size=3,
        strides=1,
        padding="same",
        shift=0,
        time=1.0,
        activation="tanh",
        steps=1,
        method="symplectic_euler",
        share_weights=False,
        gain=1.0,
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
            steps=steps,
            method=method,
            share_weights=share_weights,
            gain=gain,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            **kwargs,
        )


@keras.saving.register_keras_serializable(package="lipzoo")
class HamiltonianConv2D(_HamiltonianConv):
    """Symplectic 2-D convolutional layer: steps of `q' = Bᵀσ(Bp + b), p' = -Cᵀσ(Cq + c)`.

    `HamiltonianDense` with convolutions B and C on the two halves of the channels, and their exact
    adjoints. The Jacobian is symplectic: gradients cannot vanish, at any depth.

    Input and output: tensors of shape `(batch, height, width, channels)`, `channels` even.

    Guarantee: the Jacobian's norm is at least 1 for any weights, and at most the product over the
    half steps of `m/2 + sqrt(1 + m²/4)`, `m = hβ‖B‖²`, which `lipschitz_bound` proves in float64
    for the actual size, from the weights as they are.

    Args:
        filters: output channels of B and of C; None for `channels / 2 · prod(strides)`, `"half"`
            for half of that.
        kernel_size, strides, padding, shift: as in `GradientFlowConv2D`.
        time, activation: as in `HamiltonianDense`.
        steps, method, share_weights: as in `HamiltonianDense`.
        gain, use_bias, kernel_initializer, bias_initializer, kernel_constraint: as in
            `GradientFlowDense`.
        **kwargs: Keras' `name`, `dtype`, `trainable`.

    Raises:
        ValueError: for an odd number of channels, an activation without a known slope interval,
            arguments out of range, shapes that do not fit, or a step that makes the declared bound
            infinite.

    Reference: arXiv 2510.22299.

    Example:

    >>> import numpy as np
    >>> layer = HamiltonianConv2D(kernel_size=3, time=0.25)
    >>> x = np.random.default_rng(0).normal(size=(1, 8, 8, 4)).astype("float32")
    >>> bool(np.allclose(keras.ops.convert_to_numpy(layer.inverse(layer(x))), x, atol=1e-5))
    True
    """

    rank = 2


@keras.saving.register_keras_serializable(package="lipzoo")
class HamiltonianConv1D(_HamiltonianConv):
    """Symplectic 1-D convolutional layer: `HamiltonianConv2D` on sequences.

    Input and output: tensors of shape `(batch, length, channels)`, `channels` even. Arguments,
    guarantee and errors are those of `HamiltonianConv2D`.

    Example:

    >>> import numpy as np
    >>> layer = HamiltonianConv1D(kernel_size=3, steps=2, method="verlet")
    >>> layer(np.zeros((1, 8, 4), "float32")).shape == (1, 8, 4)
    True
    """

    rank = 1
