"""The linear operator of a convolution, with its exact adjoint and its proven norm bound."""

import functools
import math
from typing import Any

import numpy as np
from keras import ops

from lipzoo.operators.base import BoundedOperator
from lipzoo.operators.summation import Summation
from lipzoo.spectral import (
    absolute_norm_bound,
    conv_norm_bound,
    dense_norm_bound,
    tap_norm_sum,
)
from lipzoo.spectral.convolve import convolve, convolve_adjoint, shift_cyclically
from lipzoo.spectral.padding import margins

PADDINGS = ("same", "valid", "circular")


def standardize_padding(padding, allowed=PADDINGS):
    """Returns `padding` if it is one of `allowed`."""
    if padding not in allowed:
        raise ValueError(f"padding must be one of {allowed}. Received: padding={padding!r}")
    return padding


class ConvolutionOperator(BoundedOperator):
    """`A: x ↦ conv(shift(x), K)` on channels-last tensors with a batch axis, and `Aᵀ`.

    Three steps, each with its own adjoint: a cyclic shift (adjoint: the shift back), padding by
    zeros or by wrapping around (adjoint: cropping, or adding the margins back where they came
    from), and a "valid" convolution (adjoint: the transposed convolution with the same kernel).
    Where strides equal the kernel size there is no overlap: the operator is one matrix applied to
    disjoint patches and is computed as that.

    Args:
        kernel_size, strides: tuples with one integer per spatial axis, strides <= kernel size.
        padding: `"same"` (zeros, Keras' convention), `"valid"` or `"circular"`.
        shift: cyclic shift per spatial axis, in pixels; needs circular padding.
        spatial: the input's spatial shape.
        kernel: K, of shape `(*kernel_size, channels, filters)`: a tensor, or an array where bounds
            are asked for; None where only `margins` and `output_spatial` are.

    Raises:
        ValueError: if the strides exceed the kernel size, do not divide the size of a circular
            axis, or the kernel exceeds the axis.
    """

    def __init__(self, kernel_size, strides, padding, shift, spatial, kernel: Any = None):
        for size, stride, length in zip(kernel_size, strides, spatial, strict=True):
            if length is None:
                raise ValueError(f"The spatial shape must be known. Received: {tuple(spatial)}")
            if stride > size:
                raise ValueError(
                    "strides must not exceed kernel_size (pixels would be skipped). "
                    f"Received: strides={strides}, kernel_size={kernel_size}"
                )
            if padding == "circular" and (length % stride or size > length):
                raise ValueError(
                    "Circular padding needs spatial sizes that are multiples of the strides and "
                    "not below the kernel size. "
                    f"Received: spatial shape {tuple(spatial)}, strides={strides}, "
                    f"kernel_size={kernel_size}"
                )
            if padding == "valid" and size > length:
                raise ValueError(
                    "kernel_size must not exceed the input with padding='valid'. "
                    f"Received: spatial shape {tuple(spatial)}, kernel_size={kernel_size}"
                )
        if any(shift) and padding != "circular":
            raise ValueError(
                "A cyclic shift needs padding='circular'. "
                f"Received: shift={shift}, padding={padding!r}"
            )
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)
        self.padding = padding
        self.shift = tuple(shift)
        self.spatial = tuple(spatial)
        axes = tuple(zip(self.spatial, self.kernel_size, self.strides, strict=True))
        self.margins = tuple(margins(*axis, 1, padding) for axis in axes)
        self.output_spatial = tuple(
            (length + sum(margin) - size) // stride + 1
            for (length, size, stride), margin in zip(axes, self.margins, strict=True)
        )
        self.is_patch_matrix = self.kernel_size == self.strides and all(
            length % stride == 0 for length, _, stride in axes
        )
        self._kernel, self._circular = kernel, padding == "circular"

    def apply(self, x):
        """Returns `A x`, of shape `(batch, *output_spatial, filters)`."""
        if any(self.shift):
            x = shift_cyclically(x, self.shift)
        if self.is_patch_matrix:
            y = ops.matmul(self._to_patches(x), self._matrix())
            return ops.reshape(y, (-1, *self.output_spatial, self._kernel.shape[-1]))
        return convolve(x, self._kernel, self.strides, self.margins, self._circular)

    def adjoint(self, y):
        """Returns `Aᵀ y`, of shape `(batch, *spatial, channels)`."""
        if self.is_patch_matrix:
            y = ops.reshape(y, (-1, self._kernel.shape[-1]))
            x = self._from_patches(ops.matmul(y, ops.transpose(self._matrix())))
        else:
            sizes = (self.strides, self.margins, self.spatial)
            x = convolve_adjoint(y, self._kernel, *sizes, self._circular)
        if any(self.shift):
            x = shift_cyclically(x, tuple(-step for step in self.shift))
        return x

    @functools.cached_property
    def norm_bound(self) -> float:
        """A proven upper bound on ‖A‖ for this spatial shape, in float64."""
        kernel = self._stored()
        if self.is_patch_matrix:
            return dense_norm_bound(kernel)
        return conv_norm_bound(kernel, self.spatial, strides=self.strides, padding=self.padding)

    @functools.cached_property
    def summation(self) -> Summation:
        """What the rounding of products follows from."""
        axes = zip(self.kernel_size, self.strides, strict=True)
        overlap = math.prod(math.ceil(size / stride) for size, stride in axes)
        channels, filters = self._kernel.shape[-2:]
        return Summation(
            norm=self.norm_bound,
            partial_norm=None if self.is_patch_matrix else tap_norm_sum(self._kernel),
            absolute_norm=absolute_norm_bound(self._stored()),
            fan_in=math.prod(self.kernel_size) * channels,
            # Wrapped margins are added back: once more per axis.
            fan_out=overlap * filters + 2 * len(self.spatial),
            inputs=math.prod(self.spatial) * channels,
            outputs=math.prod(self.output_spatial) * filters,
            edges=self._edges(),
        )

    def rounding(self, dtype):
        return self.summation.rounding(dtype)

    @property
    def derivation(self) -> str:
        """How the norm is bounded, in a few words."""
        if self.is_patch_matrix:
            return "Gram eigenvalue of the patch matrix"
        return f"DFT grid, {self.padding} padding"

    def _edges(self) -> int:
        """Number of ways in which entries of `Aᵀ y` are put together, besides the backend's own.

        Where padding wraps around, margins are added back to the positions that they came from:
        each of those has a split of its taps of its own, all others have none.
        """
        if not self._circular or self.is_patch_matrix:
            return 1
        sizes = zip(self.margins, self.spatial, strict=True)
        return math.prod(min(1 + sum(margin), length) for margin, length in sizes)

    def _stored(self):
        """The kernel in float64, as a matrix where it is one."""
        kernel = np.asarray(self._kernel, "float64")
        return kernel.reshape(-1, kernel.shape[-1]) if self.is_patch_matrix else kernel

    def _matrix(self):
        return ops.reshape(self._kernel, (-1, self._kernel.shape[-1]))

    # Patches are the rows of one matrix: on TensorFlow, a product of a tensor of higher rank with a
    # matrix is several operations more, which compute shapes.
    def _to_patches(self, inputs):
        rank, channels = len(self.spatial), inputs.shape[-1]
        split = [
            axis for pair in zip(self.output_spatial, self.strides, strict=True) for axis in pair
        ]
        inputs = ops.reshape(inputs, (-1, *split, channels))
        order = (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
        inputs = ops.transpose(inputs, order)
        return ops.reshape(inputs, (-1, math.prod(self.strides) * channels))

    def _from_patches(self, patches):
        rank, channels = len(self.spatial), self._kernel.shape[-2]
        patches = ops.reshape(patches, (-1, *self.output_spatial, *self.strides, channels))
        pairs = (axis for i in range(1, rank + 1) for axis in (i, i + rank))
        patches = ops.transpose(patches, (0, *pairs, 2 * rank + 1))
        return ops.reshape(patches, (-1, *self.spatial, channels))
