"""Proven norm bounds of convolutions."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lipzoo.rounding import add_up, gamma, inflated, mul_up, norm_up
from lipzoo.spectral.materialised_operator import small_operator
from lipzoo.spectral.padding import CIRCULAR, cycle_length, margins, standardize_padding
from lipzoo.spectral.polyphase import (
    PolyphaseAxis,
    constraint_axis,
    exact_axis,
    fourier_matrix,
    half_grid,
    unbounded_axis,
)
from lipzoo.spectral.singular_value import largest_singular_value_bound
from lipzoo.spectral.validation import kernel_to_float64, scale_back, scale_to_unit
from lipzoo.validation import integer, integers

# The supremum over all frequencies is bounded to within this factor.
GRID_FACTOR = 1.01
# Zero padding: axes up to this length (or up to the grid for all lengths) get their own grid.
_EXACT_LENGTH = 64
_BATCH_BYTES = 2**25


def conv_norm_bound(
    kernel,
    input_size: Any = None,
    *,
    strides: Any = 1,
    padding: Any = "same",
    dilation_rate: Any = 1,
    groups: int = 1,
) -> float:
    """Proven upper bound of the norm of a 1-D or 2-D convolution as the operator that it is.

        y[i] = sum_t K[t]^T x[i s + t d - p],      ||A|| = max ||y||_2 / ||x||_2

    over inputs of shape `(*input_size, channels)`, flattened. The operator is a compression of (or
    is equal to) a convolution on a cycle, which the Fourier transform takes apart into one matrix
    `K^(ω)` per frequency (strides by polyphase components, see `lipzoo.spectral.polyphase`):

    - circular padding: exactly the frequencies of the cycle. How the padding is split between both
      ends does not matter, as a cyclic shift is an isometry.
    - zero padding: a cycle long enough that windows that reach beyond one end of the input do not
      meet the other end. For axes longer than 64 where that is finer than the following grid, and
      for `input_size=None`: the supremum over all frequencies, which is at most 1.01 times the
      maximum over a grid (Bernstein and Szego).
      The grid on which `lipzoo.spectral.gram_norm_bound` looks counts as well, so that a kernel
      that was projected by its bound is found to be within it.
    - never above the sum over the (polyphase) taps of the norms of their matrices. Where strides
      are at least the kernel size, that is one matrix, and the bound its norm.

    What is proven: the number returned is an upper bound of the norm of the operator with the
    kernel's stored values, the float64 rounding of this very computation included (see
    `largest_singular_value_bound`).

    Args:
        kernel: `(size, channels / groups, filters)` or `(height, width, channels / groups,
            filters)`, as Keras stores it, of any real float type.
        input_size: spatial size of the input, an integer or one per axis. `None`: the bound holds
            for every size.
        strides: an integer or one per axis.
        padding: `"same"` (zeros, as Keras and TensorFlow have it, for every stride), `"valid"`,
            `"circular"` (sizes must be multiples of the strides), or explicit zero padding: one
            pair `(before, after)`, or one pair per axis.
        dilation_rate: an integer or one per axis.
        groups: number of groups, a divisor of `filters`.

    Returns:
        A float. 0 for a zero or an empty kernel.

    Raises:
        ValueError: if the kernel is not of rank 3 or 4 or not finite; an argument is outside its
            range; padding is neither by zeros nor circular (reflection is not bounded here); or
            the input is too small to have an output.

    Reference: arXiv 1805.10408 (circular convolutions), arXiv 2305.16173 (Gram iteration, zero
    padding).

    Example:
        >>> import numpy as np
        >>> second_difference = np.array([-1.0, 2.0, -1.0])
        >>> kernel = np.multiply.outer(second_difference, second_difference).reshape(3, 3, 1, 1)
        >>> round(conv_norm_bound(kernel, input_size=3), 3)  # not 9.0, as on a 3 x 3 cycle
        11.657
    """
    array, exponent = scale_to_unit(kernel_to_float64(kernel, ranks=(3, 4)))
    rank = array.ndim - 2
    strides = integers(strides, rank, "strides")
    dilations = integers(dilation_rate, rank, "dilation_rate")
    groups = integer(groups, "groups")
    if array.shape[-1] % groups:
        raise ValueError(
            "groups must divide the number of filters. "
            f"Received: groups={groups}, kernel of shape {array.shape}"
        )
    padding = standardize_padding(padding, rank)
    sizes = (None,) * rank
    if input_size is not None:
        sizes = integers(input_size, rank, "input_size")
    if not array.any():
        return 0.0
    axes, trimmed = [], array
    for axis in range(rank):
        others = tuple(other for other in range(array.ndim) if other != axis)
        taps = np.flatnonzero(array.any(axis=others)).tolist()
        window = (array.shape[axis], strides[axis], dilations[axis])
        axes.append(_axis(taps, sizes[axis], *window, padding[axis], rank))
        trimmed = trimmed.take(taps, axis=axis)
    bound = _response_bound(trimmed, axes, groups)
    coarse = [
        constraint_axis(axis, -(-size // stride)) if axis.factor > 1.0 else axis
        for axis, size, stride in zip(axes, array.shape[:-2], strides, strict=True)
    ]
    if coarse != axes:
        bound = min(bound, _response_bound(trimmed, coarse, groups))
    if input_size is not None and CIRCULAR not in padding:
        pads = tuple(map(margins, sizes, array.shape, strides, dilations, padding))
        # Patches that fill the input are one matrix, and done.
        if any(axis.degree for axis in axes) or any(map(any, pads)):
            operator = small_operator(array, sizes, strides, dilations, pads, groups)
            if operator is not None:
                bound = min(bound, largest_singular_value_bound([operator]))
    return scale_back(bound, exponent)


def _axis(taps, length, size, stride, dilation, padding, rank) -> PolyphaseAxis:
    """The frequencies to look at along one axis."""
    unbounded = unbounded_axis(taps, stride, dilation, GRID_FACTOR ** (1.0 / rank))
    if length is None:
        return unbounded
    cycle = cycle_length(length, taps, size, stride, dilation, padding)
    if unbounded.degree == 0:
        return unbounded
    if padding != CIRCULAR and cycle > max(unbounded.grid, _EXACT_LENGTH):
        return unbounded
    return exact_axis(taps, stride, dilation, cycle)


def _response_bound(kernel: np.ndarray, axes: list[PolyphaseAxis], groups: int) -> float:
    """Bound of the frequency response's norm, from a grid or from the triangle inequality."""
    factor = math.prod(axis.factor for axis in axes)
    if all(axis.degree == 0 for axis in axes):
        return _tap_sum(kernel, axes, groups)
    response = largest_singular_value_bound(_responses(kernel, axes, groups))
    # |error of a response's entry| <= (gamma(2T) + 16u) * the sum of the moduli over the T taps.
    taps = math.prod(kernel.shape[:-2])
    tap_norms = norm_up(kernel.reshape(taps, -1), axis=1)
    total = inflated(float(tap_norms.sum()), operations=taps)
    error = mul_up(gamma(2 * taps + 18, "float64"), total)
    bound = mul_up(add_up(response, error), factor)
    return bound if factor == 1.0 else min(bound, _tap_sum(kernel, axes, groups))


def _responses(kernel, axes, groups) -> Iterator[np.ndarray]:
    """Yields the frequency responses, arrays of shape `(batch, phases * inputs, filters)`."""
    sizes = tuple(axis.grid for axis in axes)
    points = half_grid(sizes)
    # Spread evenly, so that the first batch already comes close to the maximum.
    points = points[np.argsort(np.arange(len(points)) * 0.6180339887498949 % 1.0)]
    components = list(_components(kernel, axes))
    inputs, filters = kernel.shape[-2:]
    rows = len(components) * inputs
    columns = filters // groups
    bytes_each = 16 * groups * (rows * columns + 3 * min(rows, columns) ** 2)
    step = max(1, _BATCH_BYTES // bytes_each)
    for start in range(0, len(points), step):
        batch = points[start : start + step]
        response: Any = np.empty((len(batch), len(components), inputs * filters), np.complex128)
        for index, (positions, taps) in enumerate(components):
            waves: Any = fourier_matrix(batch, positions, sizes)
            flat = taps.reshape(len(taps), -1)
            response[:, index].real = waves.real @ flat
            response[:, index].imag = waves.imag @ flat
        yield _split_groups(response.reshape(-1, rows, filters), groups)


def _components(kernel, axes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields positions `(taps, axes)` and taps `(taps, inputs, filters)` of each phase."""
    for phases in itertools.product(*(sorted(set(axis.phase)) for axis in axes)):
        chosen = [
            np.flatnonzero(np.equal(axis.phase, r)) for axis, r in zip(axes, phases, strict=True)
        ]
        positions = [np.array(axis.position)[taps] for axis, taps in zip(axes, chosen, strict=True)]
        grid = np.stack(np.meshgrid(*positions, indexing="ij"), axis=-1)
        yield grid.reshape(-1, len(axes)), kernel[np.ix_(*chosen)].reshape(-1, *kernel.shape[-2:])


def _tap_sum(kernel, axes, groups) -> float:
    """Sum over the positions of the norms of the matrices there (all phases stacked)."""
    components = list(_components(kernel, axes))
    inputs, filters = kernel.shape[-2:]
    stacks = {}
    for index, (positions, taps) in enumerate(components):
        for position, tap in zip(map(tuple, positions), taps, strict=True):
            empty = np.zeros((len(components), inputs, filters))
            stacks.setdefault(position, empty)[index] = tap
    return add_up(
        *(
            largest_singular_value_bound([_split_groups(stack.reshape(1, -1, filters), groups)])
            for stack in stacks.values()
        )
    )


def _split_groups(matrices, groups) -> np.ndarray:
    """From `(batch, inputs, filters)` to `(batch * groups, inputs, filters / groups)`."""
    if groups == 1:
        return matrices
    batch, inputs, filters = matrices.shape
    split = matrices.reshape(batch, inputs, groups, filters // groups)
    return np.moveaxis(split, 2, 1).reshape(batch * groups, inputs, filters // groups)
