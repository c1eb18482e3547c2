"""Dense layer with a bounded operator norm."""

import keras
from keras import ops

from lipzoo.layers._affine import AffineLayer, dense_facts
from lipzoo.layers._constrained import (
    add_bias,
    add_projected_kernel,
    array,
    bias_of,
    positive_integer,
)


@keras.saving.register_keras_serializable(package="lipzoo")
class SpectralDense(AffineLayer):
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

    def __init__(self, units, activation=None, **kwargs):
        super().__init__(activation=activation, **kwargs)
        self.units = positive_integer(units, "units")
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape):
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                "SpectralDense expects a known last axis. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.kernel = add_projected_kernel(self, (features, self.units))
        add_bias(self, self.units)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: features})

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    def _operator(self, input_shape):
        return (
            lambda inputs: ops.matmul(inputs, self.kernel),
            lambda outputs: ops.matmul(outputs, ops.transpose(self.kernel)),
        )

    def _operator_facts(self, input_shape):
        return dense_facts(array(self.kernel), bias_of(self), input_shape)
