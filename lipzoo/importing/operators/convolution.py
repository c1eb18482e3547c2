"""Convolutions and their adjoints, in one and two dimensions."""

from dataclasses import replace
from typing import Any

import keras

from lipzoo.importing.call import Call, Operator
from lipzoo.importing.operators.windows import padded, windows_of

_PLAIN: dict[int, Any] = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D}
_DEPTHWISE: dict[int, Any] = {1: keras.layers.DepthwiseConv1D, 2: keras.layers.DepthwiseConv2D}
_TRANSPOSED: dict[int, Any] = {1: keras.layers.Conv1DTranspose, 2: keras.layers.Conv2DTranspose}
_CROPPINGS: dict[int, Any] = {1: keras.layers.Cropping1D, 2: keras.layers.Cropping2D}


def _convolution(call: Call):
    tensor, weights = call.image(), call.floats(1, "the weights")
    sizes, channels = tensor.keras.shape[1:-1], tensor.keras.shape[-1]
    dimensions, groups = len(sizes), call.attribute("group", 1)
    if weights.ndim != dimensions + 2 or weights.shape[1] * groups != channels:
        call.refuse(f"weights for {channels} channels in {groups} groups", weights.shape)
    windows = windows_of(call, sizes, weights.shape[2:])
    if max(windows.strides) > 1 and max(windows.dilations) > 1:
        call.refuse("strides or dilations, which Keras does not have together", windows)
    # (filters, channels, *size) to (*size, channels, filters).
    kernel = weights.transpose(*range(2, weights.ndim), 1, 0)
    filters = kernel.shape[-1]
    bias = _bias(call, filters, dimensions)
    config = {
        "kernel_size": windows.kernel_size,
        "strides": windows.strides,
        "dilation_rate": windows.dilations,
        "padding": "same" if windows.as_keras_same else "valid",
        "use_bias": bias is not None,
    }
    source = tensor.keras if windows.as_keras_same else padded(call, tensor.keras, windows)
    if groups == channels > 1 and len(set(windows.strides)) == 1:
        # TensorFlow on CPUs takes no gradient of other convolutions in groups.
        kind, config["depth_multiplier"] = _DEPTHWISE[dimensions], filters // channels
        kernel = kernel.reshape(*windows.kernel_size, channels, -1)
    else:
        kind, config["filters"], config["groups"] = _PLAIN[dimensions], filters, groups
    made = call.layer(kind, source, weights=_weights(kernel, bias), **config)
    return tensor.with_keras(made)


def _transposed(call: Call):
    """The adjoint, of the whole output of which margins are cut off."""
    tensor, weights = call.image(), call.floats(1, "the weights")
    sizes, channels = tensor.keras.shape[1:-1], tensor.keras.shape[-1]
    dimensions = len(sizes)
    if call.attribute("group", 1) != 1 or call.attribute("output_shape") is not None:
        call.refuse("group=1 and no output_shape", dict(call.node.attributes))
    if call.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        call.refuse("auto_pad 'NOTSET' or 'VALID'", call.attribute("auto_pad"))
    if weights.ndim != dimensions + 2 or weights.shape[0] != channels:
        call.refuse(f"weights for {channels} channels", weights.shape)
    # Where windows lie is stated of the output; only the attributes matter here.
    large = tuple(2**20 for _ in sizes)
    windows = windows_of(call, large, weights.shape[2:])
    if max(windows.dilations) > 1:
        call.refuse("dilations of 1", windows.dilations)
    # (channels, filters, *size) to (*size, filters, channels).
    kernel = weights.transpose(*range(2, weights.ndim), 1, 0)
    bias = _bias(call, weights.shape[1], dimensions)
    made = call.layer(
        _TRANSPOSED[dimensions],
        tensor.keras,
        weights=_weights(kernel, bias),
        filters=weights.shape[1],
        kernel_size=windows.kernel_size,
        strides=windows.strides,
        padding="valid",
        use_bias=bias is not None,
    )
    more = call.attribute("output_padding", (0,) * dimensions)
    wholes = made.shape[1:-1]
    ends = [
        whole - ((size - 1) * stride + length - end + extra)
        for whole, size, stride, length, end, extra in zip(
            wholes, sizes, windows.strides, windows.kernel_size, windows.ends, more, strict=True
        )
    ]
    if min(ends) < 0:
        call.refuse("output_padding of at most the pads behind", f"output_padding={list(more)}")
    cropped = replace(windows, ends=tuple(ends))
    if not cropped.without_margins:
        made = call.layer(_CROPPINGS[dimensions], made, "_cropping", cropping=cropped.margins)
    return tensor.with_keras(made)


def _bias(call: Call, filters, dimensions):
    if call.optional_constant(2, "the bias") is None:
        return call.following_shift(call.node, filters, dimensions + 2, dimensions)
    return call.floats(2, "the bias")


def _weights(kernel, bias):
    return [kernel] if bias is None else [kernel, bias]


OPERATORS = {
    "Conv": Operator(
        _convolution,
        "one and two dimensions; pads, strides or dilations, groups, auto_pad",
    ),
    "ConvTranspose": Operator(
        _transposed, "one and two dimensions; pads, strides, output_padding up to the pads"
    ),
}
