"""Rules for layers that change the size of images by weights that add up to 1, axis by axis.

Such an operator is the Kronecker product of one matrix an axis, so its norm is the product of
theirs. The entries are not negative and the rows sum to 1, so `||A||` is at most the root of the
largest column sum; small matrices are measured.
"""

import functools
import math

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.rules.convolution import split_shape
from lipzoo.bounds.rules.shape import copies
from lipzoo.rounding import gamma, inflated, mul_up, sqrt_up
from lipzoo.spectral import dense_norm_bound

# Up to this length the matrix of one axis is measured.
_LARGEST_MATRIX = 512
# Of a coordinate, its floor, the two weights.
_WEIGHT_ROUNDINGS = 6


def _stochastic_norm(matrix: np.ndarray) -> float:
    """Norm of a matrix `(inputs, outputs)` with weights that add up to 1 for every output."""
    schur = sqrt_up(inflated(float(matrix.sum(axis=1).max()), matrix.shape[1] + _WEIGHT_ROUNDINGS))
    if max(matrix.shape) > _LARGEST_MATRIX:
        return schur
    return min(schur, inflated(dense_norm_bound(matrix), _WEIGHT_ROUNDINGS))


@functools.lru_cache(maxsize=256)
def _linear_norm(length: int, factor: int) -> float:
    """Norm of linear interpolation to `factor` times the length, between the cells' centres."""
    places = np.clip((np.arange(length * factor) + 0.5) / factor - 0.5, 0, length - 1)
    below = np.minimum(places.astype(int), max(length - 2, 0))
    matrix = np.zeros((length, length * factor))
    columns = np.arange(length * factor)
    np.add.at(matrix, (below, columns), 1 - (places - below))
    np.add.at(matrix, (np.minimum(below + 1, length - 1), columns), places - below)
    return _stochastic_norm(matrix)


def _up_sampling(layer, input_shape):
    size = layer.size if isinstance(layer.size, list | tuple) else (layer.size,)
    interpolation = getattr(layer, "interpolation", "nearest")
    if interpolation == "nearest":
        return copies(math.prod(size))
    spatial, _ = split_shape(layer, input_shape)
    if interpolation != "bilinear" or None in spatial:
        raise UncertifiedLayerError(
            layer,
            f"Interpolation {interpolation!r} to {size} times {spatial} is not analysed; 'nearest' "
            "is, and 'bilinear' for known sizes.",
        )
    norms = (_linear_norm(*axis) for axis in zip(spatial, size, strict=True))
    # The backends compute the weights in float32 from coordinates: their rounding is not analysed.
    return LayerBound(mul_up(*norms), "norm of bilinear interpolation")


def _adaptive_windows(length: int, windows: int) -> list[tuple[int, int]]:
    """First and last-plus-one cell of each of the windows that divide an axis."""
    return [(i * length // windows, -(-(i + 1) * length // windows)) for i in range(windows)]


@functools.lru_cache(maxsize=256)
def _adaptive_norm(length: int, windows: int) -> float:
    matrix = np.zeros((length, windows))
    for column, (start, stop) in enumerate(_adaptive_windows(length, windows)):
        matrix[start:stop, column] = 1.0 / (stop - start)
    return _stochastic_norm(matrix)


def _adaptive_axes(layer, input_shape) -> list[tuple[int, int]]:
    spatial, _ = split_shape(layer, input_shape)
    if None in spatial:
        raise UncertifiedLayerError(layer, f"It pools an unknown size {spatial}.")
    return list(zip(spatial, layer.output_size, strict=True))


def _adaptive_average(layer, input_shape):
    axes = _adaptive_axes(layer, input_shape)
    value = mul_up(*(_adaptive_norm(*axis) for axis in axes))
    cells = sum(max(b - a for a, b in _adaptive_windows(*axis)) for axis in axes)
    # One sum and one division an axis: weights of one sign, so parts are no larger than the whole.
    rounding = mul_up(gamma(cells + 2 * len(axes), layer.compute_dtype), value)
    return LayerBound(value, "norm of the averaging operator", 0.0, rounding, 0.0)


def _adaptive_maximum(layer, input_shape):
    times = 1
    for length, windows in _adaptive_axes(layer, input_shape):
        counts = np.zeros(length, int)
        for start, stop in _adaptive_windows(length, windows):
            counts[start:stop] += 1
        times *= int(counts.max())
    return LayerBound.exact(sqrt_up(float(times)), f"a cell lies in at most {times} windows")


RULES = {
    keras.layers.UpSampling1D: _up_sampling,
    keras.layers.UpSampling2D: _up_sampling,
    keras.layers.AdaptiveAveragePooling1D: _adaptive_average,
    keras.layers.AdaptiveAveragePooling2D: _adaptive_average,
    keras.layers.AdaptiveMaxPooling1D: _adaptive_maximum,
    keras.layers.AdaptiveMaxPooling2D: _adaptive_maximum,
}
