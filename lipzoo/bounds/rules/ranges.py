"""Where a layer or an operation takes intervals: `(operation, intervals, ...) -> Interval`.

These rules only sharpen what follows from a tensor's bound, `|t| <= offset + value ||x||`; for what
is not here, that is all there is. Convolutions look at channels: one interval holds all over an
image, with 0 in it where padding is. They are about the exact map from the stored weights.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from lipzoo import activations
from lipzoo.bounds.arguments import bound_arguments
from lipzoo.bounds.domain import Range
from lipzoo.bounds.origins import is_operation
from lipzoo.bounds.rules._numbers import as_float64, count
from lipzoo.bounds.rules.images import image_of_activation, image_of_slopes
from lipzoo.bounds.rules.merging import merge_kind
from lipzoo.bounds.rules.pooling import RULES as POOLING
from lipzoo.bounds.rules.shape import IDENTITIES_AT_INFERENCE
from lipzoo.bounds.tensor_bound import TensorBound
from lipzoo.keras_internals import LayerScale, flattens_channels_last, nn_operations
from lipzoo.rounding import Interval, add_up, image_of_matrix, mul_up, norm_up, repeated

# Entries of an example that are told apart where a layer mixes its axes.
_FLATTENED = 2**22


def ranged(node, inputs: list[TensorBound], outputs: list[TensorBound]) -> list[TensorBound]:
    """The outputs of a recorded call, with ranges where the inputs have such."""
    known = [tensor.range for tensor in inputs if tensor.range is not None]
    if len(known) < len(inputs) or not known:
        return outputs
    rule = range_after(node, [each.values for each in known]) if len(outputs) == 1 else None
    result = []
    for bound, tensor in zip(outputs, node.outputs, strict=True):
        shape, input_norm = tuple(tensor.shape), known[0].input_norm
        norm = add_up(bound.bound.offset, mul_up(bound.bound.value, input_norm))
        norm = min(norm, _norm_of_softmax(node.operation, shape))
        size = np.full((1,) * (len(shape) - 1), norm)
        values = Interval(-size, size)
        if bound.range is not None:
            values = values.meet(bound.range.values)
        if rule is not None:
            values = values.meet(rule)
            norm = min(norm, _norm_of(values, shape))
        result.append(replace(bound, range=Range(values, input_norm, norm)))
    return result


def _norm_of(values: Interval, shape) -> float:
    size = count(shape)
    copies = None if size is None else size // max(values.low.size, 1)
    return repeated(norm_up(values.largest()), copies)


def _norm_of_softmax(operation, shape) -> float:
    """Each of the vectors that a softmax returns has a norm of at most 1."""
    activation = getattr(operation, "activation", None) if type(operation) in _RULES else None
    if type(operation) in (keras.layers.Softmax, nn_operations.Softmax):
        axes = operation.axis
    elif activation is keras.activations.softmax:
        axes = -1
    else:
        return math.inf
    axes = axes if isinstance(axes, list | tuple) else [axes]
    together = {axis % len(shape) for axis in axes}
    return repeated(1.0, count([size for i, size in enumerate(shape) if i not in together]))


def range_after(node, values: list[Interval]) -> Interval | None:
    """Intervals of the output of a recorded call, or `None` where there is no rule for it.

    Args:
        node: the call, of an operation that has a bound, on tensors that do not mix examples.
        values: intervals of its tensors.
    """
    operation, output_shape = node.operation, tuple(node.outputs[0].shape)
    kind = merge_kind(operation)
    if kind == "contract":
        # It comes with its range.
        return None
    if kind is not None and len(values) > 1:
        return _merged(operation, kind, values)
    if len(values) != 1:
        return None
    shape = tuple(node.input_tensors[0].shape)
    rule = _RULES.get(type(operation))
    if rule is not None:
        return rule(operation, values[0], shape, output_shape)
    name = type(operation).__name__
    if is_operation(operation):
        if name in _ACTIVATIONS:
            return image_of_activation(_ACTIVATIONS[name], values[0])
        if name in _WITH_CONSTANT:
            return _with_constant(node, name, values[0])
        if name == "Softmax":
            return Interval.between(0.0, 1.0).mapped(_alike(values[0]))
        if name == "Reshape":
            return _moved(operation, values[0], shape, output_shape)
        if name in _WITHIN:
            return _spread(values[0], output_shape)
    return None


def _spread(values: Interval, output_shape) -> Interval:
    """One interval that holds all entries, for whatever moves or averages them."""
    whole = values.collapsed(tuple(range(values.rank)))
    return whole.mapped(lambda array: array.reshape((1,) * (len(output_shape) - 1)))


def _alike(values: Interval):
    return lambda array: np.broadcast_to(array, (1,) * values.rank)


def constant_interval(constants) -> Interval:
    """Constants of a layer's configuration, which a backend may take in float32."""
    exact = as_float64(constants)
    with np.errstate(over="ignore"):
        rounded = exact.astype("float32").astype("float64")
    return Interval(np.minimum(exact, rounded), np.maximum(exact, rounded))


def _activated(layer, values: Interval) -> Interval | None:
    function = getattr(layer, "activation", None)
    if function is None or function is keras.activations.linear:
        return values
    if function is keras.activations.softmax:
        return Interval.between(0.0, 1.0).mapped(_alike(values))
    return image_of_activation(activations.slopes_of(function).name, values)


def _dense(layer, values, shape, output_shape):
    if values.shape[-1] != shape[-1]:
        sizes = (*values.shape[:-1], shape[-1])
        values = values.mapped(lambda array: np.broadcast_to(array, sizes))
    result = image_of_matrix(as_float64(layer.kernel), values)
    if layer.bias is not None:
        result = result + Interval.of(as_float64(layer.bias))
    return _activated(layer, result)


def _convolution(layer, values, shape, output_shape):
    depthwise = isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D)
    if layer.data_format != "channels_last":
        return None
    kernel = as_float64(layer.kernel)
    channels, filters = shape[-1], output_shape[-1]
    groups = channels if depthwise else layer.groups
    if depthwise:
        kernel = kernel.reshape(*kernel.shape[:-2], 1, filters)
    result = _filtered(values, kernel, channels, groups, padded=layer.padding != "valid")
    if layer.bias is not None:
        result = result + Interval.of(as_float64(layer.bias))
    return _activated(layer, result)


def _filtered(values, kernel, channels, groups, padded) -> Interval:
    """A convolution of channels in intervals, whatever the position."""
    rank = values.rank
    values = values.collapsed(tuple(range(rank - 1)))
    if padded:
        values = values.hull(Interval.of(0.0))
    values = values.mapped(lambda array: np.broadcast_to(array.ravel(), (channels,)))
    taps = kernel.reshape(-1, *kernel.shape[-2:])
    inner, outer = channels // groups, taps.shape[-1] // groups
    parts = []
    for group in range(groups):
        part = slice(group * inner, (group + 1) * inner)
        own = values.mapped(lambda array, part=part: np.tile(array[part], len(taps)))
        weights = taps[:, :, group * outer : (group + 1) * outer].reshape(-1, outer)
        parts.append(image_of_matrix(weights, own))
    low, high = (np.concatenate([getattr(p, end) for p in parts]) for end in ("low", "high"))
    return Interval(low, high).mapped(lambda array: array.reshape((1,) * (rank - 1) + (-1,)))


def _batch_normalization(layer, values, shape, output_shape):
    def along_axis(array):
        sizes = [1] * len(shape)
        sizes[layer.axis] = -1
        return array.reshape(sizes)[0]

    variance = Interval.of(as_float64(layer.moving_variance)) + constant_interval(layer.epsilon)
    scale = variance.root().inverse()
    if layer.scale:
        scale = scale * Interval.of(as_float64(layer.gamma))
    mean = Interval.of(as_float64(layer.moving_mean))
    result = (values - mean.mapped(along_axis)) * scale.mapped(along_axis)
    if layer.center:
        result = result + Interval.of(as_float64(layer.beta)).mapped(along_axis)
    return result


def _normalization(layer, values, shape, output_shape):
    mean, variance = as_float64(layer.mean), as_float64(layer.variance)
    epsilon = constant_interval(keras.config.epsilon())
    deviation = Interval.of(variance).root()
    deviation = Interval(
        np.maximum(deviation.low, epsilon.low), np.maximum(deviation.high, epsilon.high)
    )
    if layer.invert:
        result = values * deviation + Interval.of(mean)
    else:
        result = (values - Interval.of(mean)) * deviation.inverse()
    return _without_batch_axis(result, values)


def _without_batch_axis(result: Interval, values: Interval) -> Interval:
    """What arrays with a batch axis, of size 1, have been combined with intervals to."""
    return result.mapped(lambda array: array[0]) if result.rank > values.rank else result


def _rescaling(layer, values, shape, output_shape):
    if keras.config.image_data_format() == "channels_first":
        return None
    scaled = values * constant_interval(layer.scale)
    return _without_batch_axis(scaled + constant_interval(layer.offset), values)


def _layer_scale(layer, values, shape, output_shape):
    return values * Interval.of(as_float64(layer.gamma))


def _relu(layer, values, shape, output_shape):
    result = values.clip(0.0, np.inf)
    if layer.max_value is not None:
        limit = constant_interval(layer.max_value)
        result = Interval(np.minimum(result.low, limit.low), np.minimum(result.high, limit.high))
    if layer.negative_slope != 0:
        # The limit is one of the other side alone.
        result = result + values.clip(-np.inf, 0.0) * constant_interval(layer.negative_slope)
    return result


def _leaky_relu(layer, values, shape, output_shape):
    negative = values.clip(-np.inf, 0.0) * constant_interval(layer.negative_slope)
    return values.clip(0.0, np.inf) + negative


def _activation(layer, values, shape, output_shape):
    return _activated(layer, values)


def _softmax(layer, values, shape, output_shape):
    return Interval.between(0.0, 1.0).mapped(_alike(values))


def _elu(layer, values, shape, output_shape):
    alpha = constant_interval(layer.alpha)
    return image_of_slopes(values, (min(0.0, float(alpha.low)), max(1.0, float(alpha.high))))


def _moved(layer, values, shape, output_shape):
    sizes = shape[1:]
    known = None not in sizes and None not in output_shape[1:]
    if not known or np.prod(sizes) > _FLATTENED:
        return _spread(values, output_shape)
    channels_first = flattens_channels_last(layer)

    def moved(array):
        array = np.broadcast_to(array, sizes)
        if channels_first:
            array = np.moveaxis(array, 0, -1)
        return array.reshape(output_shape[1:])

    return values.mapped(moved)


def _within(layer, values, shape, output_shape):
    return _spread(values, output_shape)


def _within_and_zero(layer, values, shape, output_shape):
    return _channels(layer, values.hull(Interval.of(0.0)), output_shape)


def _within_channels(layer, values, shape, output_shape):
    return _channels(layer, values, output_shape)


def _channels(layer, values, output_shape):
    """One interval for every channel, of layers that keep them apart."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return _spread(values, output_shape)
    whole = values.collapsed(tuple(range(values.rank - 1)))
    return whole.mapped(lambda array: array.reshape((1,) * (len(output_shape) - 2) + (-1,)))


def _same(layer, values, shape, output_shape):
    return values


def _merged(operation, kind, values: list[Interval]) -> Interval | None:
    if any(one.rank != values[0].rank for one in values):
        return None
    total = values[0]
    if kind == "concatenate":
        for one in values[1:]:
            total = total.collapsed(tuple(range(total.rank))).hull(
                one.collapsed(tuple(range(one.rank)))
            )
        return total if type(operation).__name__ == "Concatenate" else None
    if kind == "add scaled":
        return values[0] + values[1] * constant_interval(operation.scale)
    for one in values[1:]:
        total = _COMBINED[kind](total, one)
    return total * Interval.of(float(len(values))).inverse() if kind == "average" else total


_COMBINED: dict[str, Callable[[Interval, Interval], Interval]] = {
    "add": lambda one, two: one + two,
    "average": lambda one, two: one + two,
    "subtract": lambda one, two: one - two,
    "multiply": lambda one, two: one * two,
    "maximum": lambda one, two: Interval(
        np.maximum(one.low, two.low), np.maximum(one.high, two.high)
    ),
    "minimum": lambda one, two: Interval(
        np.minimum(one.low, two.low), np.minimum(one.high, two.high)
    ),
}


def _with_constant(node, name, values: Interval) -> Interval | None:
    arguments = bound_arguments(node)
    tensor_first = isinstance(arguments["x1"], keras.KerasTensor)
    constant = constant_interval(arguments["x2" if tensor_first else "x1"])
    if constant.rank > values.rank:
        constant = constant.mapped(lambda array: array.reshape(array.shape[-values.rank :]))
    first, second = (values, constant) if tensor_first else (constant, values)
    if name in ("Divide", "TrueDivide"):
        if not (tensor_first and (constant.low > 0).all()):
            return None
        return values * constant.inverse()
    return _COMBINED[_WITH_CONSTANT[name]](first, second)


_WITH_CONSTANT = {
    "Add": "add",
    "Subtract": "subtract",
    "Multiply": "multiply",
    "Divide": "divide",
    "TrueDivide": "divide",
    "Maximum": "maximum",
    "Minimum": "minimum",
}
_ACTIVATIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Silu": "silu",
    "Softplus": "softplus",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "HardTanh": "hard_tanh",
}
_MOVES = ("Transpose", "Swapaxes", "Moveaxis", "Squeeze", "ExpandDims", "GetItem")
_WITHIN = ("Mean", "Max", "Amax", "Min", "Amin", *_MOVES)
_RULES: dict[type, Callable[..., Any]] = {
    keras.layers.Dense: _dense,
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    keras.layers.DepthwiseConv1D: _convolution,
    keras.layers.DepthwiseConv2D: _convolution,
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.Normalization: _normalization,
    keras.layers.Rescaling: _rescaling,
    LayerScale: _layer_scale,
    keras.layers.ReLU: _relu,
    keras.layers.LeakyReLU: _leaky_relu,
    keras.layers.Activation: _activation,
    keras.layers.Softmax: _softmax,
    keras.layers.ELU: _elu,
    keras.layers.Flatten: _moved,
    keras.layers.Reshape: _moved,
    keras.layers.Permute: _within,
    keras.layers.ZeroPadding1D: _within_and_zero,
    keras.layers.ZeroPadding2D: _within_and_zero,
    keras.layers.Cropping1D: _within_channels,
    keras.layers.Cropping2D: _within_channels,
    keras.layers.Identity: _same,
    keras.layers.ActivityRegularization: _same,
    **dict.fromkeys(IDENTITIES_AT_INFERENCE, _same),
    **dict.fromkeys(POOLING, _within_channels),
}
