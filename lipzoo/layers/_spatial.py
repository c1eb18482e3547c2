"""The linear operator of a convolution, with its exact adjoint and its proven norm bound."""

import math

import numpy as np
from keras import ops

from lipzoo.spectral import (
    absolute_norm_bound,
    conv_norm_bound,
    dense_norm_bound,
    tap_norm_sum,
)
from lipzoo.spectral.convolve import convolve, convolve_adjoint, shift_cyclically

PADDINGS = ("same", "valid", "circular")


def standardize_sizes(value, rank, name, minimum=1):
    """Returns `value` as a tuple of `rank` integers, each at least `minimum`."""
    sizes = tuple(value) if isinstance(value, list | tuple) else (value,) * rank
    valid = all(isinstance(size, int) and not isinstance(size, bool) for size in sizes)
    if len(sizes) != rank or not valid or min(sizes) < minimum:
        raise ValueError(
            f"{name} must be an integer or a tuple of {rank} integers, each at least {minimum}. "
            f"Received: {name}={value!r}"
        )
    return sizes


def standardize_padding(padding, allowed=PADDINGS):
    """Returns `padding` if it is one of `allowed`."""
    if padding not in allowed:
        raise ValueError(f"padding must be one of {allowed}. Received: padding={padding!r}")
    return padding


class ConvolutionOperator:
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

    Raises:
        ValueError: if the strides exceed the kernel size, do not divide the size of a circular
            axis, or the kernel exceeds the axis.
    """

    def __init__(self, kernel_size, strides, padding, shift, spatial):
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
        self.margins = tuple(map(self._margin, self.spatial, self.kernel_size, self.strides))
        self.output_spatial = tuple(
            (length + sum(margin) - size) // stride + 1
            for length, margin, size, stride in zip(
                self.spatial, self.margins, self.kernel_size, self.strides, strict=True
            )
        )
        self.is_patch_matrix = self.kernel_size == self.strides and all(
            length % stride == 0 for length, stride in zip(self.spatial, self.strides, strict=True)
        )

    def _margin(self, length, size, stride):
        if self.padding == "valid":
            return (0, 0)
        total = max((math.ceil(length / stride) - 1) * stride + size - length, 0)
        return (total // 2, total - total // 2)

    def forward(self, inputs, kernel):
        """Returns `A inputs`, of shape `(batch, *output_spatial, filters)`."""
        if any(self.shift):
            inputs = shift_cyclically(inputs, self.shift)
        if self.is_patch_matrix:
            patches = self._to_patches(inputs)
            return ops.matmul(patches, self._matrix(kernel))
        return convolve(inputs, kernel, self.strides, self.margins, self._circular)

    def adjoint(self, outputs, kernel):
        """Returns `Aᵀ outputs`, of shape `(batch, *spatial, channels)`."""
        if self.is_patch_matrix:
            patches = ops.matmul(outputs, ops.transpose(self._matrix(kernel)))
            inputs = self._from_patches(patches, kernel.shape[-2])
        else:
            inputs = convolve_adjoint(
                outputs, kernel, self.strides, self.margins, self.spatial, self._circular
            )
        if any(self.shift):
            inputs = shift_cyclically(inputs, tuple(-step for step in self.shift))
        return inputs

    def norm_bound(self, kernel) -> float:
        """A proven upper bound on ‖A‖ for this spatial shape, in float64."""
        kernel = np.asarray(kernel, "float64")
        if self.is_patch_matrix:
            return dense_norm_bound(kernel.reshape(-1, kernel.shape[-1]))
        return conv_norm_bound(kernel, self.spatial, strides=self.strides, padding=self.padding)

    def partial_norm_bound(self, kernel) -> float:
        """A proven bound on ‖AD‖, for any signs D of the pairs of a tap and an input channel."""
        return self.norm_bound(kernel) if self.is_patch_matrix else tap_norm_sum(kernel)

    def absolute_norm_bound(self, kernel) -> float:
        """A proven bound on the norm of A with absolute values for entries."""
        kernel = np.asarray(kernel, "float64")
        if self.is_patch_matrix:
            kernel = kernel.reshape(-1, kernel.shape[-1])
        return absolute_norm_bound(kernel)

    def edges(self) -> int:
        """Number of ways in which entries of `Aᵀ y` are put together, besides the backend's own.

        Where padding wraps around, margins are added back to the positions that they came from:
        each of those has a split of its taps of its own, all others have none.
        """
        if self.padding != "circular" or self.is_patch_matrix:
            return 1
        sizes = zip(self.margins, self.spatial, strict=True)
        return math.prod(min(1 + sum(margin), length) for margin, length in sizes)

    def describe(self) -> str:
        """How the norm is bounded, in a few words."""
        if self.is_patch_matrix:
            return "Gram eigenvalue of the patch matrix"
        return f"DFT grid, {self.padding} padding"

    def _matrix(self, kernel):
        return ops.reshape(kernel, (-1, kernel.shape[-1]))

    def _to_patches(self, inputs):
        rank, channels = len(self.spatial), inputs.shape[-1]
        split = [
            axis for pair in zip(self.output_spatial, self.strides, strict=True) for axis in pair
        ]
        inputs = ops.reshape(inputs, (-1, *split, channels))
        order = (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
        inputs = ops.transpose(inputs, order)
        return ops.reshape(inputs, (-1, *self.output_spatial, math.prod(self.strides) * channels))

    def _from_patches(self, patches, channels):
        rank = len(self.spatial)
        patches = ops.reshape(patches, (-1, *self.output_spatial, *self.strides, channels))
        pairs = (axis for i in range(1, rank + 1) for axis in (i, i + rank))
        patches = ops.transpose(patches, (0, *pairs, 2 * rank + 1))
        return ops.reshape(patches, (-1, *self.spatial, channels))

    @property
    def _circular(self):
        return self.padding == "circular"
