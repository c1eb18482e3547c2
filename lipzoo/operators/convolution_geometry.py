"""Where the taps of a convolution lie: sizes, strides, margins and shift, without the kernel."""

import functools
from dataclasses import dataclass

from lipzoo.spectral.padding import margins

PADDINGS = ("same", "valid", "circular")


def named_padding(padding):
    """Returns `padding` if it is one of `PADDINGS`.

    Raises:
        ValueError: if it is anything else.
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding must be one of {PADDINGS}. Received: padding={padding!r}")
    return padding


@dataclass(frozen=True)
class ConvolutionGeometry:
    """Which entries of an input a convolution takes for each of its outputs.

    Attributes:
        kernel_size, strides: tuples with one integer per spatial axis, strides <= kernel size.
        padding: `"same"` (zeros, Keras' convention), `"valid"` or `"circular"`.
        shift: cyclic shift per spatial axis, in pixels; needs circular padding.
        spatial: the input's spatial shape.

    Raises:
        ValueError: if the strides exceed the kernel size, do not divide the size of a circular
            axis, or the kernel exceeds the axis.

    Example:
        >>> geometry = ConvolutionGeometry((3,), (2,), "same", (0,), (8,))
        >>> geometry.margins, geometry.output_spatial, geometry.is_patch_matrix
        (((0, 1),), (4,), False)
    """

    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    shift: tuple[int, ...]
    spatial: tuple[int, ...]

    def __post_init__(self):
        for size, stride, length in zip(self.kernel_size, self.strides, self.spatial, strict=True):
            if length is None:
                raise ValueError(f"The spatial shape must be known. Received: {self.spatial}")
            if stride > size:
                raise ValueError(
                    "strides must not exceed kernel_size (pixels would be skipped). "
                    f"Received: strides={self.strides}, kernel_size={self.kernel_size}"
                )
            if self.padding == "circular" and (length % stride or size > length):
                raise ValueError(
                    "Circular padding needs spatial sizes that are multiples of the strides and "
                    "not below the kernel size. "
                    f"Received: spatial shape {self.spatial}, strides={self.strides}, "
                    f"kernel_size={self.kernel_size}"
                )
            if self.padding == "valid" and size > length:
                raise ValueError(
                    "kernel_size must not exceed the input with padding='valid'. "
                    f"Received: spatial shape {self.spatial}, kernel_size={self.kernel_size}"
                )
        if any(self.shift) and self.padding != "circular":
            raise ValueError(
                "A cyclic shift needs padding='circular'. "
                f"Received: shift={self.shift}, padding={self.padding!r}"
            )

    @property
    def is_circular(self) -> bool:
        """Whether the padding wraps around."""
        return self.padding == "circular"

    @property
    def is_patch_matrix(self) -> bool:
        """Whether it is one matrix, applied to disjoint patches that leave nothing over."""
        return self.kernel_size == self.strides and all(
            length % stride == 0 for length, stride in zip(self.spatial, self.strides, strict=True)
        )

    @functools.cached_property
    def margins(self) -> tuple[tuple[int, int], ...]:
        """Positions that the padding adds before and after each axis."""
        axes = zip(self.spatial, self.kernel_size, self.strides, strict=True)
        return tuple(margins(*axis, 1, self.padding) for axis in axes)

    @functools.cached_property
    def output_spatial(self) -> tuple[int, ...]:
        """The output's spatial shape."""
        axes = zip(self.spatial, self.margins, self.kernel_size, self.strides, strict=True)
        return tuple(
            (length + sum(margin) - size) // stride + 1 for length, margin, size, stride in axes
        )
