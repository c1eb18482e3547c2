"""What the layers that are built on a convolution share."""

import math

import keras

from lipzoo.layers._constrained import channels_of
from lipzoo.operators import ConvolutionGeometry, ConvolutionOperator, named_padding
from lipzoo.validation import check_neurons, integers, neurons


class ConvolutionLayer(keras.layers.Layer):
    """Mixin: arguments and operator of `A: x ↦ conv(shift(x), K)`.

    It stands before a class that takes `strides` among its keyword arguments, for the constraint.
    """

    rank: int

    def __init__(self, filters, kernel_size, strides, padding, shift, **kwargs):
        strides = integers(strides, self.rank, "strides")
        super().__init__(strides=strides, **kwargs)
        self.filters = check_neurons(filters, "filters")
        self.kernel_size = integers(kernel_size, self.rank, "kernel_size")
        self.strides = strides
        self.padding = named_padding(padding)
        self.shift = integers(shift, self.rank, "shift", minimum=-math.inf)
        self.input_spec = self._accepted()

    def _accepted(self, **axes):
        return keras.layers.InputSpec(ndim=self.rank + 2, **axes)

    def _kernel_shape(self, input_shape):
        channels = channels_of(input_shape, self.rank, self)
        filters = neurons(self.filters, channels * math.prod(self.strides))
        self._geometry(input_shape)
        return (*self.kernel_size, channels, filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "shift": self.shift,
        }

    def _geometry(self, input_shape):
        """Of inputs of this shape: the same weights serve images of every size."""
        sizes = (self.kernel_size, self.strides, self.padding, self.shift)
        return ConvolutionGeometry(*sizes, tuple(input_shape[1:-1]))

    def _operator(self, input_shape, kernel):
        return ConvolutionOperator(kernel, self._geometry(input_shape))
