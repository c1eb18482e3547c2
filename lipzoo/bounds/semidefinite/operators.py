"""Which Keras layers are affine, as `Affine` operators from their weights as they are."""

import math

import keras
import numpy as np

from lipzoo.bounds.linear_head import linear_weights
from lipzoo.bounds.rules._numbers import as_float64, smallest_constant
from lipzoo.bounds.rules.pooling import pooling_windows
from lipzoo.bounds.semidefinite.affine import Affine, Part
from lipzoo.rounding import unit_roundoff

_MOVES = (
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
)
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)
_AVERAGES = (keras.layers.AveragePooling1D, keras.layers.AveragePooling2D)
_GLOBAL_AVERAGES = (keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D)


def affine_part(layer, input_shape, output_shape) -> Affine | None:
    """The linear part of a layer, without its activation; `None` if it is not known to be affine.

    Args:
        layer: a layer that `lipschitz_bound` has accepted.
        input_shape, output_shape: with the batch axis; all other sizes known.
    """
    sizes = input_shape[1:], output_shape[1:]
    if type(layer) in _MOVES:
        return _moved(layer, *sizes)
    if type(layer) in _CONVOLUTIONS:
        return _convolution(layer, *sizes)
    if type(layer) in _AVERAGES:
        return _average(layer, *sizes)
    if type(layer) in _GLOBAL_AVERAGES:
        return _global_average(layer, *sizes)
    if type(layer) is keras.layers.BatchNormalization:
        return _batch_normalization(layer, sizes[0])
    if type(layer) is keras.layers.Normalization:
        return _normalization(layer, sizes[0])
    if type(layer) is keras.layers.Dense:
        return _dense(as_float64(layer.kernel), *sizes)
    if len(input_shape) == 2 and (weights := linear_weights(layer)) is not None:
        return _dense(weights[0], *sizes)
    return None


def _numbered(sizes) -> np.ndarray:
    return np.arange(math.prod(sizes)).reshape(sizes)


def diagonal(factors: np.ndarray, roundings: int) -> Affine:
    """Every entry times a factor, which may be off by some roundings."""
    entries = factors.size
    places = np.arange(entries)[:, None]
    # One part an entry would be slow: equal factors go together.
    flat = factors.ravel()
    parts = [
        Part(places[flat == value], np.array([[value]]), places[flat == value])
        for value in np.unique(flat)
    ]
    return Affine(entries, entries, parts, roundings)


def _dense(kernel, input_sizes, output_sizes) -> Affine:
    sources = _numbered(input_sizes).reshape(-1, kernel.shape[0])
    targets = _numbered(output_sizes).reshape(-1, kernel.shape[1])
    return Affine(sources.size, targets.size, [Part(sources, kernel, targets)])


def _moved(layer, input_sizes, output_sizes) -> Affine | None:
    # The layer is asked to move its entries' numbers, which its type has to tell apart.
    numbers = (_numbered(input_sizes) + 1).astype("float32")[None]
    if numbers.size * unit_roundoff(layer.compute_dtype) >= 1 or numbers.size >= 2**24:
        return None
    try:
        moved = keras.ops.convert_to_numpy(layer(numbers)).astype(int).reshape(-1, 1) - 1
    except ValueError:
        # Attributes that were set on it keep it from being called alone.
        return None
    places = np.arange(len(moved))[:, None]
    return Affine(math.prod(input_sizes), len(moved), [Part(moved, np.ones((1, 1)), places)])


def _channels_last(layer, numbers: np.ndarray) -> np.ndarray:
    return np.moveaxis(numbers, 0, -1) if layer.data_format == "channels_first" else numbers


def _batch_normalization(layer, sizes) -> Affine:
    # A sum, a root, a quotient, a product.
    scale = 1.0 / np.sqrt(as_float64(layer.moving_variance) + smallest_constant(layer.epsilon))
    if layer.scale:
        scale = as_float64(layer.gamma) * scale
    shape = [1] * (len(sizes) + 1)
    shape[layer.axis] = -1
    return diagonal(np.broadcast_to(scale.reshape(shape)[0], sizes), roundings=4)


def _normalization(layer, sizes) -> Affine:
    # A root, and a quotient.
    deviation = np.maximum(np.sqrt(as_float64(layer.variance)), keras.config.epsilon())
    scale = deviation if layer.invert else 1.0 / deviation
    return diagonal(np.broadcast_to(scale, (1, *sizes))[0], roundings=2)


def _taps(layer, image: np.ndarray, kernel_size, outputs) -> np.ndarray:
    """Which channels' entries every output position takes: `(*outputs, taps, channels)`."""
    rank = len(kernel_size)
    for axis, (size, stride, dilation, output) in enumerate(
        zip(kernel_size, layer.strides, layer.dilation_rate, outputs, strict=True)
    ):
        length, extent = image.shape[axis], dilation * (size - 1) + 1
        missing = max((output - 1) * stride + extent - length, 0)
        before = {"valid": 0, "same": missing // 2, "causal": extent - 1}[layer.padding]
        widths = [(0, 0)] * image.ndim
        widths[axis] = (before, missing + extent)
        image = np.pad(image, widths, constant_values=-1)
    for axis, (size, stride, dilation, output) in enumerate(
        zip(kernel_size, layer.strides, layer.dilation_rate, outputs, strict=True)
    ):
        # Each spatial axis becomes two: the position, and behind all of them the tap.
        places = np.arange(output)[:, None] * stride + np.arange(size) * dilation
        image = np.moveaxis(np.take(image, places, axis=axis), axis + 1, rank + axis)
    return image.reshape(*outputs, math.prod(kernel_size), image.shape[-1])


def _convolution(layer, input_sizes, output_sizes) -> Affine:
    kernel = as_float64(layer.kernel)
    image = _channels_last(layer, _numbered(input_sizes))
    result = _channels_last(layer, _numbered(output_sizes))
    taps = _taps(layer, image, kernel.shape[:-2], result.shape[:-1])
    channels, filters = image.shape[-1], result.shape[-1]
    depthwise = isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D)
    groups = channels if depthwise else layer.groups
    if depthwise:
        kernel = kernel.reshape(*kernel.shape[:-2], 1, filters)
    inner, outer = channels // groups, filters // groups
    parts = [
        Part(
            taps[..., g * inner : (g + 1) * inner].reshape(-1, taps.shape[-2] * inner),
            kernel[..., g * outer : (g + 1) * outer].reshape(-1, outer),
            result[..., g * outer : (g + 1) * outer].reshape(-1, outer),
        )
        for g in range(groups)
    ]
    return Affine(image.size, result.size, parts)


def _average(layer, input_sizes, output_sizes) -> Affine:
    image = _channels_last(layer, _numbered(input_sizes))
    result = _channels_last(layer, _numbered(output_sizes))
    axes = [
        pooling_windows(*axis, layer.padding)
        for axis in zip(image.shape[:-1], layer.pool_size, layer.strides, strict=True)
    ]
    by_shape: dict[tuple, list] = {}
    for place in np.ndindex(*result.shape[:-1]):
        window = tuple(slice(*axes[axis][at]) for axis, at in enumerate(place))
        sources = image[window].reshape(-1, image.shape[-1]).T
        by_shape.setdefault(sources.shape, []).append((sources, result[place][:, None]))
    parts = [
        Part(
            np.concatenate([sources for sources, _ in group]),
            np.full((count, 1), 1.0 / count),
            np.concatenate([targets for _, targets in group]),
        )
        for (_, count), group in by_shape.items()
    ]
    return Affine(image.size, result.size, parts, roundings=1)


def _global_average(layer, input_sizes, output_sizes) -> Affine:
    image = _channels_last(layer, _numbered(input_sizes))
    sources = image.reshape(-1, image.shape[-1]).T
    count = sources.shape[1]
    kernel = np.full((count, 1), 1.0 / count)
    targets = _numbered(output_sizes).reshape(-1, 1)
    return Affine(image.size, len(targets), [Part(sources, kernel, targets)], roundings=1)
