"""Kernels, steps and margins of convolutions and pools."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from lipzoo.importing.call import Call

PADDINGS: dict[int, Any] = {1: keras.layers.ZeroPadding1D, 2: keras.layers.ZeroPadding2D}


@dataclass(frozen=True)
class Windows:
    """How windows lie on an image; a number for each of its axes.

    Attributes:
        sizes: of the image.
        kernel_size, strides, dilations: of the windows.
        begins, ends: cells of margin before and behind the image.
    """

    sizes: tuple[int, ...]
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def margins(self) -> Any:
        """As Keras' padding layers take them."""
        pairs: Any = tuple(zip(self.begins, self.ends, strict=True))
        return pairs if len(pairs) > 1 else pairs[0]

    @property
    def without_margins(self) -> bool:
        """Whether there are none."""
        return not any(self.begins) and not any(self.ends)

    @property
    def as_keras_same(self) -> bool:
        """Whether the margins are those of Keras' `padding="same"`."""
        totals = [
            _same_margin(size, reach, stride)
            for size, reach, stride in zip(self.sizes, self.reaches, self.strides, strict=True)
        ]
        begins = tuple(total // 2 for total in totals)
        ends = tuple(total - begin for total, begin in zip(totals, begins, strict=True))
        return (begins, ends) == (self.begins, self.ends)

    @property
    def reaches(self) -> tuple[int, ...]:
        """Cells from the first to the last of a window."""
        return _reaches(self.kernel_size, self.dilations)


def windows_of(call: Call, sizes: Sequence[int], kernel_size: Sequence[int]) -> Windows:
    """Reads the attributes that convolutions and pools have in common.

    Margins that `ceil_mode` adds for a last window are margins behind the image.
    """
    rank = len(sizes)
    ones = (1,) * rank
    kernel_size = tuple(int(size) for size in kernel_size)
    strides = tuple(call.attribute("strides", ones))
    dilations = tuple(call.attribute("dilations", ones))
    lengths = [len(kernel_size), len(strides), len(dilations)]
    if lengths != [rank] * 3 or min(*kernel_size, *strides, *dilations) < 1:
        found = f"kernel_shape={kernel_size}, strides={strides}, dilations={dilations}"
        call.refuse(f"{rank} positive numbers for kernel, strides and dilations", found)
    if tuple(call.attribute("kernel_shape", kernel_size)) != kernel_size:
        found = call.attribute("kernel_shape")
        call.refuse(f"kernel_shape={list(kernel_size)}, as the weights have it", found)
    reaches = _reaches(kernel_size, dilations)
    begins, ends = _pads(call, sizes, reaches, strides)
    windows = Windows(tuple(sizes), kernel_size, strides, dilations, begins, ends)
    if any(s + a + b < r for s, a, b, r in zip(sizes, begins, ends, reaches, strict=True)):
        call.refuse("windows no larger than the image and its margins", windows)
    return windows


def ceiled(call: Call, windows: Windows) -> tuple[int, ...]:
    """Cells behind the margins that the last windows reach over, as `ceil_mode` has it."""
    axes = zip(windows.sizes, windows.begins, windows.ends, windows.reaches, strict=True)
    rests = [
        (size + begin + end - reach) % stride
        for (size, begin, end, reach), stride in zip(axes, windows.strides, strict=True)
    ]
    if not call.attribute("ceil_mode", 0):
        return (0,) * len(rests)
    return tuple(
        stride - rest if rest else 0 for rest, stride in zip(rests, windows.strides, strict=True)
    )


def padded(call: Call, tensor, windows: Windows):
    """The Keras tensor, channels last, with margins of zeros."""
    if windows.without_margins:
        return tensor
    kind = PADDINGS[len(windows.sizes)]
    return call.layer(kind, tensor, "_padding", padding=windows.margins)


def _pads(call: Call, sizes, reaches, strides) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank, auto = len(sizes), call.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        totals = [_same_margin(*axis) for axis in zip(sizes, reaches, strides, strict=True)]
        small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        return (small, large) if auto == "SAME_UPPER" else (large, small)
    pads = tuple(call.attribute("pads", (0,) * 2 * rank)) if auto == "NOTSET" else (0,) * 2 * rank
    if len(pads) != 2 * rank or min(pads) < 0 or auto not in ("NOTSET", "VALID"):
        call.refuse(f"{2 * rank} pads of at least 0", f"pads={pads}, auto_pad={auto!r}")
    return pads[:rank], pads[rank:]


def _same_margin(size, reach, stride) -> int:
    return max((math.ceil(size / stride) - 1) * stride + reach - size, 0)


def _reaches(kernel_size, dilations) -> tuple[int, ...]:
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilations, strict=True))
