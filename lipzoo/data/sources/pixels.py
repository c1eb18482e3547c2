"""Pixels of an image file: Pillow decodes it, and one rule per mode says what its numbers mean."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lipzoo.data.sources.raw import DataError
from lipzoo_catalogue.installing import how_to_install

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")
# Modes of 8 bits a channel, and what they are without alpha and palette.
_OPAQUE = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "La": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "RGBa": "RGB",
}
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")
# Tags of TIFF 6.0, and their values.
_BITS, _PHOTOMETRIC, _EXTRA, _SAMPLE_FORMAT = 258, 262, 338, 339
_WHITE_IS_ZERO, _PREMULTIPLIED, _ALPHA, _UNSIGNED, _FLOATING = 0, 1, 2, 1, 3


@dataclass(frozen=True)
class Pixels:
    """The pixels of one image.

    Args:
        values: shape `(height, width)` if the image is grey and `(height, width, 3)` if it is
            coloured; bytes (uint8), or float32 where a pixel has more than 8 bits.
        bits: of the grey values in the file, where they are scaled from more than 8; otherwise 8.
        largest: the largest of these as it stands in the file; otherwise 255.
    """

    values: np.ndarray
    bits: int = 8
    largest: int = 255


def read_pixels(file: Path | BinaryIO, name: str) -> Pixels:
    """Reads one image, every mode by its own rule.

    | mode of Pillow | what is read |
    | --- | --- |
    | `L`, `1`, 1 to 8 bits a pixel | grey, as bytes from 0 to 255 |
    | `P`, a palette | grey if all its colours in use are, else the colours |
    | `RGB` | the colours, as bytes |
    | `LA`, `RGBA`, `PA`, a transparent colour | as without alpha if every pixel is opaque |
    | `I;16`, 16 bits a pixel | grey, divided by 65535; TIFF of 12 bits by 4095 |
    | `F`, floating point | grey, as it stands |

    The orientation that EXIF states is applied; colour profiles are not. What would need a choice
    is refused: transparency, several frames, colours of more than 8 bits, integers without a known
    range, other colour spaces.

    Args:
        file: the file, or a stream of its bytes.
        name: its name in errors.

    Raises:
        DataError: if Pillow is missing or cannot read the file, or its mode has no rule.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise DataError(f"{name} needs Pillow: {how_to_install('data')} ({error})") from None
    try:
        with Image.open(file, formats=FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            # What follows the first picture of an MPO file is not for show: previews, depth maps.
            if frames > 1 and image.format != "MPO":
                raise _refused(name, "an image of one frame or page", f"{frames} of them")
            bits, inverted = _stored(image, name)
            image.load()
            return _decoded(ImageOps.exif_transpose(image), bits, inverted, name)
    except DataError:
        raise
    except UnidentifiedImageError:
        known = ", ".join(FORMATS)
        raise DataError(f"{name}: not a readable image: it is none of {known}") from None
    except Exception as error:
        # The decoders raise what comes up in a damaged file, from KeyError to struct.error.
        reason = str(error) or type(error).__name__
        raise DataError(f"{name}: not a readable image: {reason}") from None


def _stored(image, name) -> tuple[int, bool]:
    """Bits of a number in the file, which the mode does not tell, and whether 0 is white."""
    if image.format == "PNG":
        packing = "".join(str(tile.args) for tile in image.tile)
        return (16 if ";16" in packing else 8), False
    if image.format != "TIFF":
        return 8, False
    tags = image.tag_v2
    if not set(_tuple(tags.get(_SAMPLE_FORMAT, _UNSIGNED))) <= {_UNSIGNED, _FLOATING}:
        raise _refused(name, "unsigned integers or floating point numbers", "signed integers")
    if not set(_tuple(tags.get(_EXTRA, ()))) <= {_PREMULTIPLIED, _ALPHA}:
        raise _refused(name, "grey, colour or alpha", "a channel of which the file says no meaning")
    bits = max(_tuple(tags.get(_BITS, 1)))
    # Pillow inverts numbers of up to 8 bits, and no others.
    return bits, bits > 8 and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO


def _decoded(image, bits, inverted, name) -> Pixels:
    mode = image.mode
    if mode == "F" and not inverted:
        return Pixels(np.asarray(image, "float32"))
    if bits > 16 or (bits > 8 and mode not in _DEEP):
        kind = f"mode {mode}" if mode in ("F", "I") else "colour"
        raise _refused(
            name,
            "8 bits a channel, 16 bits of grey, or floating point numbers in [0, 1]",
            f"{bits} bits, {kind}",
        )
    if bits > 8:
        return _deep(np.asarray(image), bits, inverted, image.info.get("transparency"), name)
    if mode not in _OPAQUE:
        raise _refused(name, "grey or RGB; convert it, for that needs a choice", f"mode {mode}")
    plain = _OPAQUE[mode]
    if image.has_transparency_data:
        image = image.convert("LA" if plain == "L" else "RGBA")
        alpha = np.asarray(image.getchannel("A"))
        clear = np.count_nonzero(alpha < 255)
        if clear:
            raise _refused(
                name,
                "an opaque image, for what lies behind it is not known: lay it on its background",
                f"{clear} of {alpha.size} pixels that are transparent",
            )
    values = np.asarray(image.convert(plain), "uint8")
    if mode in ("P", "PA") and np.all(values == values[..., :1]):
        values = values[..., 0]
    return Pixels(values)


def _deep(stored, bits, inverted, transparent, name) -> Pixels:
    if transparent is not None and np.any(stored == transparent):
        raise _refused(name, "an opaque image", f"a transparent grey value, {transparent}")
    highest = 2**bits - 1
    largest = int(stored.max())
    if largest > highest:
        raise _refused(name, f"grey values of {bits} bits", f"values up to {largest}")
    values = highest - stored if inverted else stored
    return Pixels(values.astype("float32") / np.float32(highest), bits, largest)


def _tuple(value) -> tuple:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _refused(name, expected, received) -> DataError:
    return DataError(f"{name}: expected {expected}. Received: {received}")
