"""Dense layer with a bounded operator norm."""

import keras

from lipzoo import activations
from lipzoo.layers._affine import AffineLayer
from lipzoo.layers._dense import DenseLayer
from lipzoo.validation import integer


@keras.saving.register_keras_serializable(package="lipzoo")
class SpectralDense(DenseLayer, AffineLayer):
    """1-Lipschitz dense layer: `y = σ(Kᵀx + b)` with `‖K‖ <= bound`.

    Input of shape `(batch, ..., features)`, output of shape `(batch, ..., units)`.

    Guarantee: the Lipschitz constant in the Euclidean norm is at most the largest slope of σ times
    ‖K‖. The constraint keeps ‖K‖ at most its bound (1 by default) after every optimizer step;
    `lipschitz_bound` proves it in float64 from the weights as they are.

    Args:
        units: output features.
        activation: an activation with known slopes, or None for a linear layer.
        use_bias: whether b is there.
        kernel_initializer, bias_initializer: Keras initializers; the kernel is projected at build.
        kernel_constraint: a `SpectralBound`; None for `SpectralBound(1.0)`.

    Raises:
        ValueError: for an activation without a known slope interval, or arguments out of range.

    Reference: arXiv 2510.22299; orthonormal kernels by Björck iteration, arXiv 1811.05381.

    Example:

    >>> import numpy as np
    >>> layer = SpectralDense(3)
    >>> layer(np.ones((2, 5), "float32")).shape == (2, 3)
    True
    >>> layer.lipschitz_bound((None, 5)).value <= 1.0
    True
    """

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_constraint=None,
        **kwargs,
    ):
        super().__init__(
            integer(units, "units"),
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            **kwargs,
        )

    def linear_weights(self):
        """Kernel and bias of `Kᵀx + b`, which sharpen certificates; `None` with an activation."""
        if self.activation is not activations.get("linear"):
            return None
        return self.kernel, self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)
