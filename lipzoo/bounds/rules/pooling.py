"""Rules for pooling layers: what averaging and taking maxima do to Euclidean distances."""

import functools
import math

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.rules.convolution import positions_of, split_shape
from lipzoo.rounding import div_up, gamma, inflated, mul_up, sqrt_up
from lipzoo.spectral import dense_norm_bound

# Up to this length the one-dimensional averaging operator is written out as a matrix.
_LARGEST_MATRIX = 512


def pooling_windows(length: int, size: int, stride: int, padding: str) -> list[tuple[int, int]]:
    """First and last-plus-one input cell of each window, without the cells outside."""
    if padding == "valid":
        return [(i, i + size) for i in range(0, length - size + 1, stride)]
    windows = -(-length // stride)
    left = max((windows - 1) * stride + size - length, 0) // 2
    starts = (i * stride - left for i in range(windows))
    return [(max(start, 0), min(start + size, length)) for start in starts]


@functools.lru_cache(maxsize=512)
def average_norm_1d(length: int | None, size: int, stride: int, padding: str) -> float:
    """Norm of averaging along one axis; the average runs over the cells present, as in Keras.

    Exact for windows of equal size that do not overlap: `1 / sqrt(size)`. Otherwise the norm of the
    matrix for lengths up to 512, and `sqrt(largest column sum)` beyond: rows sum to 1, and the norm
    is at most the geometric mean of the largest row and column sums. With an unknown length, a
    column sum is at most `ceil(size / stride)`, divided by the window's size under "valid" padding.

    Example:
        >>> average_norm_1d(6, 2, 2, "valid") ** 2 < 0.5 + 1e-15, average_norm_1d(5, 2, 2, "same")
        (True, 1.0)
    """
    overlap = -(-size // stride)
    if length is None:
        column = div_up(float(overlap), float(size)) if padding == "valid" else float(overlap)
        return sqrt_up(column)
    windows = pooling_windows(length, size, stride, padding)
    counts = {stop - start for start, stop in windows}
    if not windows:
        return 0.0
    if overlap == 1:
        return sqrt_up(div_up(1.0, float(min(counts))))
    columns = np.zeros(length)
    for start, stop in windows:
        columns[start:stop] += 1.0 / (stop - start)
    # A quotient and the sums behind it.
    schur = sqrt_up(inflated(float(columns.max()), operations=overlap))
    if length > _LARGEST_MATRIX:
        return schur
    matrix = np.zeros((length, len(windows)))
    for column, (start, stop) in enumerate(windows):
        matrix[start:stop, column] = 1.0 / (stop - start)
    # Every entry is a quotient, and no norm of non-negative entries grows by more than they do.
    return min(schur, inflated(dense_norm_bound(matrix), operations=1))


def _average_rounding(value, cells, dtype):
    # A sum of `cells` terms with non-negative weights: parts of it have no larger norm than the
    # whole. Two more roundings for the division, or for a product with a rounded reciprocal.
    return mul_up(gamma(cells + 2, dtype), value)


def _average_pooling(layer, input_shape):
    spatial, _ = split_shape(layer, input_shape)
    _refuse_replicated_margins(layer, spatial)
    axes = zip(spatial, layer.pool_size, layer.strides, strict=True)
    value = mul_up(*(average_norm_1d(*axis, layer.padding) for axis in axes))
    if _exact_window(layer, spatial):
        value = sqrt_up(div_up(1.0, float(math.prod(layer.pool_size))))
    rounding = _average_rounding(value, math.prod(layer.pool_size), layer.compute_dtype)
    return LayerBound(value, "norm of the averaging operator", 0.0, rounding, 0.0)


def _refuse_replicated_margins(layer, spatial):
    """Keras on PyTorch fills uneven margins with copies of the border, which count as cells."""
    if keras.backend.backend() != "torch" or layer.padding == "valid":
        return
    for length, size, stride in zip(spatial, layer.pool_size, layer.strides, strict=True):
        total = None
        if length is not None:
            total = max((-(-length // stride) - 1) * stride + size - length, 0)
        if total is None or total % 2:
            raise UncertifiedLayerError(
                layer,
                "On PyTorch its padding 'same' repeats the border where margins are uneven; pad "
                "with zeros and pool with padding='valid'.",
            )


def _exact_window(layer, spatial):
    """Whether all windows are complete and disjoint, so that the norm is 1 / sqrt(cells)."""
    if any(stride < size for stride, size in zip(layer.strides, layer.pool_size, strict=True)):
        return False
    return layer.padding == "valid" or all(
        length is not None and length % size == 0 and size == stride
        for length, size, stride in zip(spatial, layer.pool_size, layer.strides, strict=True)
    )


def _max_pooling(layer, input_shape):
    # A cell lies in at most ceil(size / stride) windows along each axis, and a maximum moves by at
    # most the largest change in its window: at most by the norm of the change in its window.
    outputs, _ = split_shape(layer, layer.compute_output_shape(input_shape))
    times = 1
    for size, stride, windows in zip(layer.pool_size, layer.strides, outputs, strict=True):
        overlap = -(-size // stride)
        times *= overlap if windows is None else min(overlap, max(windows, 1))
    return LayerBound.exact(sqrt_up(float(times)), f"a cell lies in at most {times} windows")


def _global_average(layer, input_shape):
    cells = positions_of(layer, input_shape)
    if cells is None:
        # At least one cell; the number of summands, hence the rounding, is not known.
        return LayerBound(1.0, "averaging any number of cells")
    value = sqrt_up(div_up(1.0, float(cells)))
    rounding = _average_rounding(value, cells, layer.compute_dtype)
    return LayerBound(value, f"averaging {cells} cells", 0.0, rounding, 0.0)


def _global_max(layer, input_shape):
    return LayerBound.exact(1.0, "maximum over disjoint windows")


def _checked(mode, rule):
    @functools.wraps(rule)
    def checked(layer, input_shape):
        if layer.pool_mode != mode:
            raise UncertifiedLayerError(layer, f"Its pool_mode was set to {layer.pool_mode!r}.")
        if min(layer.strides) < 1:
            raise UncertifiedLayerError(layer, f"Its strides are {layer.strides}.")
        return rule(layer, input_shape)

    return checked


RULES = {
    keras.layers.AveragePooling1D: _checked("average", _average_pooling),
    keras.layers.AveragePooling2D: _checked("average", _average_pooling),
    keras.layers.MaxPooling1D: _checked("max", _max_pooling),
    keras.layers.MaxPooling2D: _checked("max", _max_pooling),
    keras.layers.GlobalAveragePooling1D: _global_average,
    keras.layers.GlobalAveragePooling2D: _global_average,
    keras.layers.GlobalMaxPooling1D: _global_max,
    keras.layers.GlobalMaxPooling2D: _global_max,
}
