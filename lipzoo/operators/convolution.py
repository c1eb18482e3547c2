"""The linear operator of a convolution, with its exact adjoint and its proven norm bound."""

import functools
import math

import numpy as np
from keras import ops

from lipzoo.operators.base import BoundedOperator
from lipzoo.operators.convolution_geometry import ConvolutionGeometry
from lipzoo.operators.summation import Summation
from lipzoo.spectral import (
    absolute_norm_bound,
    conv_norm_bound,
    dense_norm_bound,
    tap_norm_sum,
)
from lipzoo.spectral.convolve import convolve, convolve_adjoint, shift_cyclically


class ConvolutionOperator(BoundedOperator):
    """`A: x ↦ conv(shift(x), K)` on channels-last tensors with a batch axis, and `Aᵀ`.

    Three steps, each with its own adjoint: a cyclic shift (adjoint: the shift back), padding by
    zeros or by wrapping around (adjoint: cropping, or adding the margins back where they came
    from), and a "valid" convolution (adjoint: the transposed convolution with the same kernel).
    Where strides equal the kernel size there is no overlap: the operator is one matrix applied to
    disjoint patches and is computed as that.

    Args:
        kernel: K, of shape `(*kernel_size, channels, filters)`; a tensor, or an array where bounds
            are asked for.
        geometry: a `ConvolutionGeometry`.
    """

    def __init__(self, kernel, geometry: ConvolutionGeometry):
        self.geometry = geometry
        self._kernel = kernel

    def apply(self, x):
        """Returns `A x`, of shape `(batch, *output_spatial, filters)`."""
        geometry = self.geometry
        if any(geometry.shift):
            x = shift_cyclically(x, geometry.shift)
        if geometry.is_patch_matrix:
            y = ops.matmul(self._to_patches(x), self._matrix())
            return ops.reshape(y, (-1, *geometry.output_spatial, self._kernel.shape[-1]))
        return convolve(x, self._kernel, geometry.strides, geometry.margins, geometry.is_circular)

    def adjoint(self, y):
        """Returns `Aᵀ y`, of shape `(batch, *spatial, channels)`."""
        geometry = self.geometry
        if geometry.is_patch_matrix:
            y = ops.reshape(y, (-1, self._kernel.shape[-1]))
            x = self._from_patches(ops.matmul(y, ops.transpose(self._matrix())))
        else:
            sizes = (geometry.strides, geometry.margins, geometry.spatial)
            x = convolve_adjoint(y, self._kernel, *sizes, geometry.is_circular)
        if any(geometry.shift):
            x = shift_cyclically(x, tuple(-step for step in geometry.shift))
        return x

    @functools.cached_property
    def norm_bound(self) -> float:
        """A proven upper bound on ‖A‖ for this spatial shape, in float64."""
        geometry = self.geometry
        kernel = self._stored()
        if geometry.is_patch_matrix:
            return dense_norm_bound(kernel)
        return conv_norm_bound(
            kernel,
            geometry.spatial,
            strides=geometry.strides,
            padding=geometry.padding,
        )

    @functools.cached_property
    def summation(self) -> Summation:
        """What the rounding of products follows from."""
        geometry = self.geometry
        axes = zip(geometry.kernel_size, geometry.strides, strict=True)
        overlap = math.prod(math.ceil(size / stride) for size, stride in axes)
        channels, filters = self._kernel.shape[-2:]
        return Summation(
            norm=self.norm_bound,
            partial_norm=None if geometry.is_patch_matrix else tap_norm_sum(self._kernel),
            absolute_norm=absolute_norm_bound(self._stored()),
            fan_in=math.prod(geometry.kernel_size) * channels,
            # Wrapped margins are added back: once more per axis.
            fan_out=overlap * filters + 2 * len(geometry.spatial),
            inputs=math.prod(geometry.spatial) * channels,
            outputs=math.prod(geometry.output_spatial) * filters,
            edges=self._edges(),
        )

    def rounding(self, dtype):
        return self.summation.rounding(dtype)

    @property
    def derivation(self) -> str:
        """How the norm is bounded, in a few words."""
        geometry = self.geometry
        if geometry.is_patch_matrix:
            return "Gram eigenvalue of the patch matrix"
        return f"DFT grid, {geometry.padding} padding"

    def _edges(self) -> int:
        """Number of ways in which entries of `Aᵀ y` are put together, besides the backend's own.

        Where padding wraps around, margins are added back to the positions that they came from:
        each of those has a split of its taps of its own, all others have none.
        """
        geometry = self.geometry
        if not geometry.is_circular or geometry.is_patch_matrix:
            return 1
        sizes = zip(geometry.margins, geometry.spatial, strict=True)
        return math.prod(min(1 + sum(margin), length) for margin, length in sizes)

    def _stored(self):
        """The kernel in float64, as a matrix where it is one."""
        kernel = np.asarray(self._kernel, "float64")
        return kernel.reshape(-1, kernel.shape[-1]) if self.geometry.is_patch_matrix else kernel

    def _matrix(self):
        return ops.reshape(self._kernel, (-1, self._kernel.shape[-1]))

    # Patches are the rows of one matrix: on TensorFlow, a product of a tensor of higher rank with a
    # matrix is several operations more, which compute shapes.
    def _to_patches(self, inputs):
        geometry = self.geometry
        rank, channels = len(geometry.spatial), inputs.shape[-1]
        split = [
            axis
            for pair in zip(geometry.output_spatial, geometry.strides, strict=True)
            for axis in pair
        ]
        inputs = ops.reshape(inputs, (-1, *split, channels))
        order = (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
        inputs = ops.transpose(inputs, order)
        return ops.reshape(inputs, (-1, math.prod(geometry.strides) * channels))

    def _from_patches(self, patches):
        geometry = self.geometry
        rank, channels = len(geometry.spatial), self._kernel.shape[-2]
        patches = ops.reshape(patches, (-1, *geometry.output_spatial, *geometry.strides, channels))
        pairs = (axis for i in range(1, rank + 1) for axis in (i, i + rank))
        patches = ops.transpose(patches, (0, *pairs, 2 * rank + 1))
        return ops.reshape(patches, (-1, *geometry.spatial, channels))
