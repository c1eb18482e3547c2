"""Norm bounds of every group of a convolution, inside training, in `keras.ops`."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from lipzoo.spectral.gram_iteration import polyphase
from lipzoo.spectral.largest import largest
from lipzoo.spectral.polyphase import bernstein_factor, fourier_matrix, gram_grid, half_grid
from lipzoo.validation import integers


def grouped_norm_bounds(kernel, groups: int, *, strides: Any = 1, iterations=4, grid_size=16):
    """Upper bounds of the operator norms of a convolution's groups, by Gram iteration.

    The bound of `gram_norm_bound`, for each group by itself: the largest norm of the group's
    frequency responses on a grid times the factor of Bernstein and Szego, for every image size,
    zero or circular padding. A depthwise convolution's responses are vectors, whose norms need no
    iteration.

    What is proven: in exact arithmetic every number is an upper bound, at every number of
    iterations; the rounding of the evaluation is not covered, see `gram_norm_bound`.

    Args:
        kernel: tensor `(*kernel_size, channels / groups, filters)` in float32 or float64.
        groups: number of groups, a divisor of `filters`.
        strides: of the convolution, an integer or one per axis.
        iterations: number of squarings.
        grid_size: least number of frequencies per axis, see `gram_norm_bound`.

    Returns:
        Tensor of shape `(groups,)` of the kernel's dtype. 0 for a group of zeros.

    Reference: arXiv 2305.16173.

    Example:
        >>> kernel = np.zeros((3, 1, 2), "float32")
        >>> kernel[1, 0] = [2.0, 3.0]
        >>> ops.convert_to_numpy(grouped_norm_bounds(kernel, 2)).astype("float64").round(3).tolist()
        [2.039, 3.059]
    """
    kernel = ops.convert_to_tensor(kernel)
    dtype = keras.backend.standardize_dtype(kernel.dtype)
    tiny = float(np.finfo(dtype).tiny)
    scale = ops.maximum(largest(ops.abs(kernel)), tiny)
    kernel = polyphase(kernel / scale, integers(strides, len(kernel.shape) - 2, "strides"))
    *taps, inputs, filters = kernel.shape
    grids = [gram_grid(count, grid_size) for count in taps]
    positions = np.indices(taps).reshape(len(taps), -1).T
    waves: Any = fourier_matrix(half_grid(grids), positions, grids)
    flat = ops.reshape(kernel, (len(positions), inputs * filters))
    real, imaginary = (
        _by_group(ops.matmul(part.astype(dtype), flat), inputs, groups)
        for part in (waves.real, waves.imag)
    )
    norms = ops.max(_norms(real, imaginary, iterations, tiny), axis=0)
    factor = math.prod(
        bernstein_factor(count - 1, grid) for count, grid in zip(taps, grids, strict=True)
    )
    return factor * scale * norms


def _by_group(responses, inputs, groups):
    """From `(frequencies, inputs * filters)` to `(frequencies, groups, long, short)`."""
    split = ops.reshape(responses, (responses.shape[0], inputs, groups, -1))
    tall = inputs >= split.shape[-1]
    return ops.transpose(split, (0, 2, 1, 3) if tall else (0, 2, 3, 1))


def _norms(real, imaginary, iterations, tiny):
    """Bounds of the norms of the matrices `R + iI`, of shape `(frequencies, groups)`.

    The Gram matrix `P + iQ` is held as `P + Q`, as in `lipzoo.spectral.gram_iteration`.
    """
    if real.shape[-1] == 1:
        return ops.sqrt(ops.sum(ops.square(real) + ops.square(imaginary), axis=(2, 3)))
    crossed = ops.matmul(_transposed(real), imaginary)
    gram = (
        ops.matmul(_transposed(real), real)
        + ops.matmul(_transposed(imaginary), imaginary)
        + crossed
        - _transposed(crossed)
    )
    scales = []
    for _ in range(iterations):
        scales.append(ops.maximum(_frobenius(gram), tiny))
        gram = gram / scales[-1][..., None, None]
        twice_odd = gram - _transposed(gram)
        gram = ops.matmul(gram, gram) - 0.5 * ops.matmul(twice_odd, twice_odd)
    squares = ops.square(gram)
    moduli = ops.sqrt(0.5 * (squares + _transposed(squares)))
    norms = ops.minimum(_frobenius(gram), largest(ops.sum(moduli, axis=-1), axis=-1))
    for scale in reversed(scales):
        norms = scale * ops.sqrt(norms)
    return ops.sqrt(norms)


def _frobenius(matrices):
    return ops.sqrt(ops.sum(ops.square(matrices), axis=(2, 3)))


def _transposed(matrices):
    return ops.swapaxes(matrices, -1, -2)
