"""Small pictures of inputs, written into a page: images as PNG, sequences as lines."""

import base64
import struct
import zlib

import numpy as np

# Longest side of a picture in pixels, and points of a line.
SIDE = 48
POINTS = 60
_COLOURS = ("#1f6fb2", "#c24e14", "#67727e")


def thumbnails(x: np.ndarray, limits: tuple[float, float] | None) -> list[str]:
    """A picture of every example as HTML, whose text for who cannot see it is empty.

    Args:
        x: examples: images of shape `(examples, height, width)`, with 1 or 3 channels behind or
            none, or sequences of shape `(examples, steps, channels)`. Three axes are images where
            the last is longer than 3.
        limits: the values of black and of white; `None` for the least and the largest there are.

    Returns:
        A piece of HTML for each; nothing at all for tables and for other shapes.
    """
    if len(x) == 0 or x.ndim not in (3, 4):
        return []
    if x.ndim == 3 and x.shape[-1] <= 3:
        return [_line(sequence) for sequence in x]
    if x.ndim == 4 and x.shape[-1] not in (1, 3):
        return []
    low, high = limits or (float(x.min()), float(x.max()))
    unit = (x.astype("float64") - low) / max(high - low, np.finfo("float64").tiny)
    return [_image(np.rint(255 * np.clip(image, 0, 1)).astype("uint8")) for image in unit]


def png(pixels: np.ndarray) -> bytes:
    """An image of bytes as PNG.

    Args:
        pixels: uint8 of shape `(height, width)` for greys, `(height, width, 3)` for red, green and
            blue.
    """
    height, width = pixels.shape[:2]
    kind = 0 if pixels.ndim == 2 else 2
    # Every line begins with the number of its filter, 0 for none.
    lines = np.zeros((height, 1 + pixels[0].size), "uint8")
    lines[:, 1:] = pixels.reshape(height, -1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _image(pixels: np.ndarray) -> str:
    small = _smaller(pixels)
    data = base64.b64encode(png(small[..., 0] if small.shape[-1:] == (1,) else small)).decode()
    return f'<img alt="" src="data:image/png;base64,{data}">'


def _smaller(pixels: np.ndarray) -> np.ndarray:
    """Means of blocks, so that no side is longer than `SIDE`."""
    height, width = pixels.shape[:2]
    block = -(-max(height, width) // SIDE)
    if block == 1:
        return pixels
    cut = pixels[: height - height % block or 1, : width - width % block or 1].astype("float64")
    rows = np.add.reduceat(cut, [*range(0, len(cut), block)], axis=0)
    sums = np.add.reduceat(rows, [*range(0, cut.shape[1], block)], axis=1)
    return np.rint(sums / (min(block, len(cut)) * min(block, cut.shape[1]))).astype("uint8")


def _line(sequence: np.ndarray) -> str:
    """The channels of a sequence as lines between its least and its largest value."""
    places = np.unique(np.linspace(0, len(sequence) - 1, POINTS).astype(int))
    low, high = float(sequence.min()), float(sequence.max())
    heights = 22 - 20 * (sequence[places] - low) / max(high - low, np.finfo("float64").tiny)
    lines: list[str] = []
    for channel, colour in zip(heights.T, _COLOURS, strict=False):
        points = " ".join(
            f"{2 + 96 * place / max(len(sequence) - 1, 1):.0f},{height:.1f}"
            for place, height in zip(places.tolist(), channel.tolist(), strict=True)
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
    return f'<svg viewBox="0 0 100 24" aria-hidden="true">{"".join(lines)}</svg>'
