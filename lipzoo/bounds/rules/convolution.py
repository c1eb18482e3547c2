"""Rules for Keras' convolutions: plain, depthwise, separable and transposed, in 1-D and 2-D."""

import math
from typing import Any

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.rules._numbers import as_float64, count, refuse_other_weights
from lipzoo.bounds.rules.activation import activation_bound
from lipzoo.bounds.rules.linear import dense_bound, refuse_adapters
from lipzoo.rounding import affine_rounding, norm_up, repeated
from lipzoo.spectral import absolute_norm_bound, conv_norm_bound, tap_norm_sum


def split_shape(layer, shape) -> tuple[tuple, int | None]:
    """Spatial sizes and channels of a shape with its batch axis, in the layer's data format."""
    if layer.data_format == "channels_first":
        return tuple(shape[2:]), shape[1]
    return tuple(shape[1:-1]), shape[-1]


def positions_of(layer, shape) -> int | None:
    """Number of spatial positions of a shape; `None` when unknown."""
    return count((None, *split_shape(layer, shape)[0]))


def convolution_bound(
    kernel, bias_norm, spatial, *, strides, padding, dilation_rate, groups, dtype
) -> LayerBound:
    """Bound of a convolution with zero padding, as the operator that it is on this image size.

    Args:
        kernel: Keras layout, `(*kernel_size, channels / groups, filters)`.
        bias_norm: norm of the bias over all output positions.
        spatial: spatial sizes of the input; one of them `None`: a bound for every size is taken.
        strides, padding, dilation_rate, groups: as in Keras.
        dtype: compute dtype.
    """
    kernel = np.asarray(kernel, "float64")
    kernel_size = kernel.shape[:-2]
    known = all(size is not None for size in spatial)
    if padding == "causal":
        padding = ((dilation_rate[0] * (kernel_size[0] - 1), 0),)
    norm = conv_norm_bound(
        kernel,
        spatial if known else None,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=groups,
    )
    extents = (rate * (size - 1) + 1 for rate, size in zip(dilation_rate, kernel_size, strict=True))
    disjoint = all(stride >= extent for stride, extent in zip(strides, extents, strict=True))
    slope, offset = affine_rounding(
        math.prod(kernel.shape[:-1]),
        norm,
        partial_norm=norm if disjoint else tap_norm_sum(kernel),
        bias_norm=bias_norm,
        dtype=dtype,
        absolute_norm=absolute_norm_bound(kernel, groups),
    )
    size = "x".join(map(str, spatial)) if known else "every size"
    return LayerBound(norm, f"convolution on {size}", bias_norm, slope, offset)


def _bias_norm(layer, input_shape):
    if layer.bias is None:
        return 0.0
    positions = positions_of(layer, layer.compute_output_shape(input_shape))
    return repeated(norm_up(as_float64(layer.bias)), positions)


def _activated(layer, bound, input_shape):
    if layer.activation in (None, keras.activations.linear):
        return bound
    output_shape = layer.compute_output_shape(input_shape)
    if layer.activation is keras.activations.softmax and layer.data_format == "channels_first":
        raise UncertifiedLayerError(layer, "Its softmax does not act on the channels.")
    return bound.then(activation_bound(layer, layer.activation, output_shape))


def refuse_wrong_results(layer, input_shape):
    """Refuses a convolution of which TensorFlow on the CPU reads memory outside its input.

    Measured with TensorFlow 2.21: strides (1, s > 1), a kernel wider than 1, output of width 1 and
    of height above 1. An unknown size may be such a size. Keras' depthwise and transposed
    convolutions and its 1-D ones, of height 1, take other paths and were found correct.

    Raises:
        UncertifiedLayerError: see there.
    """
    if keras.backend.backend() != "tensorflow" or type(layer) is not keras.layers.Conv2D:
        return
    height, width = split_shape(layer, layer.compute_output_shape(input_shape))[0]
    steps_sideways = layer.strides[0] == 1 < layer.strides[1] and layer.kernel_size[1] > 1
    if steps_sideways and width in (1, None) and height != 1:
        raise UncertifiedLayerError(
            layer,
            f"With strides {layer.strides} and an output of width {width}, TensorFlow's "
            "convolution is known to return wrong numbers: use equal strides, or another backend.",
        )


def _convolution(layer, input_shape):
    refuse_adapters(layer)
    refuse_wrong_results(layer, input_shape)
    kernel = as_float64(layer.kernel)
    channels = split_shape(layer, input_shape)[1]
    if channels != kernel.shape[-2] * layer.groups:
        # Backends take the number of groups from the sizes, not from the attribute.
        raise UncertifiedLayerError(
            layer,
            f"Its kernel for {kernel.shape[-2]} channels and groups={layer.groups} do not fit the "
            f"{channels} channels of its input.",
        )
    shape = (*layer.kernel_size, channels // layer.groups, layer.filters)
    refuse_other_weights(layer, kernel=shape, bias=(layer.filters,))
    bound = convolution_bound(
        kernel,
        _bias_norm(layer, input_shape),
        split_shape(layer, input_shape)[0],
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        groups=layer.groups,
        dtype=layer.compute_dtype,
    )
    return _activated(layer, bound, input_shape)


def _depthwise_part(layer, kernel, bias_norm, input_shape):
    # (*size, channels, multiplier) is a convolution in as many groups as there are channels.
    *size, channels, multiplier = kernel.shape
    return convolution_bound(
        kernel.reshape(*size, 1, channels * multiplier),
        bias_norm,
        split_shape(layer, input_shape)[0],
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        groups=channels,
        dtype=layer.compute_dtype,
    )


def _depthwise_shape(layer, input_shape) -> tuple[Any, ...]:
    return (*layer.kernel_size, split_shape(layer, input_shape)[1], layer.depth_multiplier)


def _depthwise(layer, input_shape):
    shape = _depthwise_shape(layer, input_shape)
    refuse_other_weights(layer, kernel=shape, bias=(math.prod(shape[-2:]),))
    kernel = as_float64(layer.kernel)
    bound = _depthwise_part(layer, kernel, _bias_norm(layer, input_shape), input_shape)
    return _activated(layer, bound, input_shape)


def _separable(layer, input_shape):
    shape = _depthwise_shape(layer, input_shape)
    pointwise = (*(1,) * len(layer.kernel_size), math.prod(shape[-2:]), layer.filters)
    refuse_other_weights(
        layer, depthwise_kernel=shape, pointwise_kernel=pointwise, bias=(layer.filters,)
    )
    depthwise = _depthwise_part(layer, as_float64(layer.depthwise_kernel), 0.0, input_shape)
    pointwise = as_float64(layer.pointwise_kernel)
    positions = positions_of(layer, layer.compute_output_shape(input_shape))
    bound = depthwise.then(
        dense_bound(
            pointwise.reshape(pointwise.shape[-2:]),
            None if layer.bias is None else as_float64(layer.bias),
            positions,
            layer.compute_dtype,
        )
    )
    return _activated(layer, bound, input_shape)


def _transposed(layer, input_shape):
    """The adjoint of a strided convolution, cropped.

    On the infinite grid, `K^T` has the norm of the strided convolution with the same kernel, whose
    supremum over all frequencies is taken; zero padding of the input and cropping of the output
    only make the operator smaller, whatever the padding arguments are. An output entry collects at
    most `prod(ceil(kernel_size / strides))` taps per channel.
    """
    shape = (*layer.kernel_size, layer.filters, split_shape(layer, input_shape)[1])
    refuse_other_weights(layer, kernel=shape, bias=(layer.filters,))
    kernel = as_float64(layer.kernel)
    kernel_size = kernel.shape[:-2]
    norm = conv_norm_bound(kernel, None, strides=layer.strides)
    bias_norm = _bias_norm(layer, input_shape)
    taps = math.prod(
        -(-size // stride) for size, stride in zip(kernel_size, layer.strides, strict=True)
    )
    slope, offset = affine_rounding(
        taps * kernel.shape[-1],
        norm,
        tap_norm_sum(kernel),
        bias_norm,
        layer.compute_dtype,
        absolute_norm=absolute_norm_bound(kernel),
    )
    bound = LayerBound(norm, "adjoint convolution, every size", bias_norm, slope, offset)
    return _activated(layer, bound, input_shape)


RULES = {
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    keras.layers.DepthwiseConv1D: _depthwise,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.SeparableConv1D: _separable,
    keras.layers.SeparableConv2D: _separable,
    keras.layers.Conv1DTranspose: _transposed,
    keras.layers.Conv2DTranspose: _transposed,
}
