"""Pools, and means over axes."""

from dataclasses import replace
from typing import Any

import keras
from keras import ops

from lipzoo.importing.call import Call, Operator
from lipzoo.importing.operators.windows import ceiled, padded, windows_of
from lipzoo.importing.tensor import Tensor

_AVERAGE: dict[int, Any] = {1: keras.layers.AveragePooling1D, 2: keras.layers.AveragePooling2D}
_MAX: dict[int, Any] = {1: keras.layers.MaxPooling1D, 2: keras.layers.MaxPooling2D}
_GLOBAL_AVERAGE: dict[int, Any] = {
    1: keras.layers.GlobalAveragePooling1D,
    2: keras.layers.GlobalAveragePooling2D,
}
_GLOBAL_MAX: dict[int, Any] = {
    1: keras.layers.GlobalMaxPooling1D,
    2: keras.layers.GlobalMaxPooling2D,
}


def _windows(call: Call, tensor):
    windows = windows_of(call, tensor.keras.shape[1:-1], call.attribute("kernel_shape", ()))
    if max(windows.dilations) > 1:
        call.refuse("dilations of 1", windows.dilations)
    return windows


def _average(call: Call):
    tensor = call.image()
    windows = _windows(call, tensor)
    over = ceiled(call, windows)
    counts_margins = call.attribute("count_include_pad", 0)
    if any(over) and counts_margins:
        call.refuse("ceil_mode=0 with count_include_pad=1", "ceil_mode=1")
    windows = replace(windows, ends=_summed(windows.ends, over))
    if counts_margins:
        source, padding = padded(call, tensor.keras, windows), "valid"
    elif windows.as_keras_same:
        source, padding = tensor.keras, "same"
    elif windows.without_margins:
        source, padding = tensor.keras, "valid"
    else:
        call.refuse("pads that are counted, none, or those of SAME_UPPER", windows)
    return tensor.with_keras(_pool(call, _AVERAGE, source, windows, padding), tensor.nonnegative)


def _max(call: Call):
    tensor = call.image()
    if len(call.node.outputs) > 1 and call.graph.uses[call.node.outputs[1]]:
        call.refuse("maxima without their indices", f"output {call.node.outputs[1]!r}")
    windows = _windows(call, tensor)
    windows = replace(windows, ends=_summed(windows.ends, ceiled(call, windows)))
    if windows.as_keras_same:
        source, padding = tensor.keras, "same"
    elif windows.without_margins or tensor.nonnegative:
        # Zeros are below all of its entries, as the margins of ONNX are.
        source, padding = padded(call, tensor.keras, windows), "valid"
    else:
        call.refuse("pads behind a Relu, none, or those of SAME_UPPER", windows)
    return tensor.with_keras(_pool(call, _MAX, source, windows, padding), tensor.nonnegative)


def _pool(call: Call, kinds, source, windows, padding):
    kind = kinds[len(windows.sizes)]
    size, strides = windows.kernel_size, windows.strides
    return call.layer(kind, source, pool_size=size, strides=strides, padding=padding)


def _summed(ends, over):
    return tuple(a + b for a, b in zip(ends, over, strict=True))


def _global(kinds):
    def convert(call: Call):
        tensor = call.image()
        made = call.layer(kinds[tensor.rank - 2], tensor.keras, keepdims=True)
        return tensor.with_keras(made, tensor.nonnegative)

    return convert


def _reduced(function):
    """A mean or a sum over axes, which are dropped unless `keepdims`."""

    def convert(call: Call):
        tensor = call.tensor()
        axes = call.integers("axes", 1)
        if not axes:
            if call.attribute("noop_with_empty_axes", 0):
                return tensor
            call.refuse("axes", "none, which reduces the batch as well")
        axes = [call.axis(axis, tensor.rank) for axis in axes]
        keeps = bool(call.attribute("keepdims", 1))
        places = tuple(sorted(tensor.order.index(axis) for axis in axes))
        made = function(tensor.keras, axis=places, keepdims=keeps)
        if keeps:
            return tensor.with_keras(made, tensor.nonnegative)
        left = [axis for axis in tensor.order if axis not in axes]
        return Tensor(made, tuple(sorted(left).index(axis) for axis in left), tensor.nonnegative)

    return convert


OPERATORS = {
    "AveragePool": Operator(
        _average, "one and two dimensions; pads that are counted, or as SAME_UPPER has them"
    ),
    "MaxPool": Operator(
        _max, "one and two dimensions; pads behind a Relu, or as SAME_UPPER has them"
    ),
    "GlobalAveragePool": Operator(_global(_GLOBAL_AVERAGE), "one and two dimensions"),
    "GlobalMaxPool": Operator(_global(_GLOBAL_MAX), "one and two dimensions"),
    "ReduceMean": Operator(_reduced(ops.mean), "constant axes"),
    "ReduceSum": Operator(_reduced(ops.sum), "constant axes"),
}
