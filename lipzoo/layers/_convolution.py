"""What the layers that are built on a convolution share."""

import math

import keras

from lipzoo.layers._constrained import channels_of, check_operator
from lipzoo.layers._spatial import ConvolutionOperator, standardize_padding, standardize_sizes
from lipzoo.layers._step_rounding import OperatorFacts
from lipzoo.validation import check_neurons, neurons


class ConvolutionLayer(keras.layers.Layer):
    """Mixin: arguments and facts of the operator `A: x ↦ conv(shift(x), K)`.

    It stands before a class that takes `strides` among its keyword arguments, for the constraint.
    """

    rank: int

    def __init__(self, filters, kernel_size, strides, padding, shift, **kwargs):
        strides = standardize_sizes(strides, self.rank, "strides")
        super().__init__(strides=strides, **kwargs)
        self.filters = check_neurons(filters, "filters")
        self.kernel_size = standardize_sizes(kernel_size, self.rank, "kernel_size")
        self.strides = strides
        self.padding = standardize_padding(padding)
        self.shift = standardize_sizes(shift, self.rank, "shift", minimum=-(2**31))
        self.input_spec = self._accepted()

    def _accepted(self, **axes):
        return keras.layers.InputSpec(ndim=self.rank + 2, **axes)

    def _kernel_shape(self, input_shape):
        channels = channels_of(input_shape, self.rank, self)
        filters = neurons(self.filters, channels * math.prod(self.strides))
        self._convolution(input_shape)
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

    def _convolution(self, input_shape):
        """The operator on inputs of this shape; the same weights serve images of every size."""
        return ConvolutionOperator(
            self.kernel_size, self.strides, self.padding, self.shift, input_shape[1:-1]
        )

    def _operator(self, input_shape):
        convolution = self._convolution(input_shape)
        return convolution.forward, convolution.adjoint

    def _operator_facts(self, input_shape, kernel, bias):
        check_operator(self, kernel, bias, self._kernel_shape(input_shape))
        operator = self._convolution(input_shape)
        channels, filters = kernel.shape[-2:]
        overlap = math.prod(
            math.ceil(size / stride)
            for size, stride in zip(self.kernel_size, self.strides, strict=True)
        )
        return OperatorFacts(
            norm=operator.norm_bound(kernel),
            partial_norm=operator.partial_norm_bound(kernel),
            absolute_norm=operator.absolute_norm_bound(kernel),
            derivation=operator.describe(),
            fan_in=math.prod(self.kernel_size) * channels,
            # Wrapped margins are added back: once more per axis.
            fan_out=overlap * filters + 2 * self.rank,
            edges=operator.edges(),
            inputs=math.prod(operator.spatial) * channels,
            outputs=math.prod(operator.output_spatial) * filters,
            bias=bias,
        )
