"""Pixels of image files, every mode by its rule, beside what was written by hand."""

import io

import numpy as np
import pytest
import tensorflow as tf
import tifffile

from lipzoo.data.sources.pixels import read_pixels
from lipzoo.data.sources.raw import DataError
from tests.image_files import (
    big_endian,
    bmp,
    chunk,
    frames,
    oriented,
    png,
    saved,
    tiff,
    tiff_of_12_bits,
)

_RANDOM = np.random.default_rng(0)
COLOUR = _RANDOM.integers(0, 256, (5, 6, 3), "uint8")
GREY = COLOUR[..., 0]
DEEP = np.array([[0, 1, 4095], [4096, 40_000, 65_535]], "uint16")
ALPHA = np.full(GREY.shape, 255, "uint8")
PALETTE = chunk(b"PLTE", bytes([9, 9, 9, 200, 200, 200, 10, 20, 30]))


def float32(array, highest):
    """Rounded once from float64."""
    return (np.asarray(array, "float64") / highest).astype("float32")


# Name, file, and its pixels.
READ = [
    ("png, 8 bits", png(list(GREY), 8, 0), GREY),
    ("png, 4 bits", png([bytes([0x1F, 0x08])], 4, 0), [[17, 255, 0, 136]]),
    ("png, 2 bits", png([bytes([0b00011011])], 2, 0), [[0, 85, 170, 255]]),
    ("png, 1 bit", png([bytes([0b01100001])], 1, 0), [[0, 255, 255, 0, 0, 0, 0, 255]]),
    ("png, 16 bits", png(big_endian(DEEP), 16, 0), float32(DEEP, 65_535)),
    ("png, 12 bits in 16", png(big_endian(DEEP // 16), 16, 0), float32(DEEP // 16, 65_535)),
    ("png, colour", png(list(COLOUR.reshape(5, -1)), 8, 2), COLOUR),
    ("png, grey palette", png([bytes([1, 0, 1])], 8, 3, PALETTE), [[200, 9, 200]]),
    (
        "png, palette",
        png([bytes([1, 2])], 8, 3, PALETTE),
        [[[200, 200, 200], [10, 20, 30]]],
    ),
    (
        "png, palette, its unused colour transparent",
        png([bytes([1, 0])], 8, 3, PALETTE, chunk(b"tRNS", bytes([255, 255, 0]))),
        [[200, 9]],
    ),
    ("png, opaque grey", png([row.tobytes() for row in np.dstack([GREY, ALPHA])], 8, 4), GREY),
    (
        "png, opaque colour",
        png([row.tobytes() for row in np.dstack([COLOUR, ALPHA])], 8, 6),
        COLOUR,
    ),
    ("png, colour of equal channels", png([bytes([7, 7, 7])], 8, 2), [[[7, 7, 7]]]),
    ("png, unused transparent grey", png([b"\3\7"], 8, 0, chunk(b"tRNS", b"\0\5")), [[3, 7]]),
    ("tiff, 8 bits", tiff(GREY), GREY),
    ("tiff, white is 0", tiff(GREY, photometric="miniswhite"), 255 - GREY),
    (
        "tiff, 1 bit",
        tiff(GREY > 127, photometric="minisblack"),
        np.where(GREY > 127, 255, 0),
    ),
    ("tiff, 12 bits", tiff_of_12_bits([0, 1, 2048, 4095]), float32([[0, 1, 2048, 4095]], 4095)),
    ("tiff, 16 bits", tiff(DEEP), float32(DEEP, 65_535)),
    ("tiff, 16 bits, big-endian", tiff(DEEP, byteorder=">"), float32(DEEP, 65_535)),
    ("tiff, 16 bits, zlib", tiff(DEEP, compression="zlib", predictor=2), float32(DEEP, 65_535)),
    (
        "tiff, 16 bits, white is 0",
        tiff(DEEP, photometric="miniswhite"),
        float32(65_535 - DEEP.astype(int), 65_535),
    ),
    ("tiff, floating point", tiff(float32(DEEP, 65_535)), float32(DEEP, 65_535)),
    ("tiff, colour", tiff(COLOUR, photometric="rgb"), COLOUR),
    (
        "tiff, colour in planes",
        tiff(np.moveaxis(COLOUR, -1, 0), photometric="rgb", planarconfig="separate"),
        COLOUR,
    ),
    (
        "tiff, opaque, premultiplied",
        tiff(np.dstack([COLOUR, ALPHA]), photometric="rgb", extrasamples=["assocalpha"]),
        COLOUR,
    ),
    ("bmp", bmp(COLOUR), COLOUR),
    ("gif, grey", saved(GREY, "GIF"), GREY),
    ("webp", saved(COLOUR, "WEBP", lossless=True), COLOUR),
    ("one frame of an animation format", saved(GREY, "PNG", save_all=True), GREY),
]

# Name, file, what is said to be expected, and what received.
REFUSED = [
    ("png, grey and alpha of 16 bits", png([bytes(8)], 16, 4), "16 bits of grey", "16 bits, col"),
    ("png, colour of 16 bits", png([bytes(6)], 16, 2), "8 bits a channel", "16 bits, colour"),
    ("png, half transparent", png([b"\5\200"], 8, 4), "opaque image", "1 of 1 pixels"),
    ("png, transparent grey", png([b"\3\7"], 8, 0, chunk(b"tRNS", b"\0\7")), "opaque", "1 of 2"),
    (
        "png, transparent grey of 16 bits",
        png([b"\3\7"], 16, 0, chunk(b"tRNS", b"\3\7")),
        "opaque",
        "a transparent grey value, 775",
    ),
    (
        "png, palette, transparent",
        png([bytes([0, 2])], 8, 3, PALETTE, chunk(b"tRNS", bytes([255, 255, 0]))),
        "opaque",
        "1 of 2",
    ),
    ("apng", frames(GREY, "PNG"), "one frame or page", "3 of them"),
    ("gif, animated", frames(GREY, "GIF"), "one frame or page", "3 of them"),
    ("webp, animated", frames(COLOUR, "WEBP"), "one frame or page", "3 of them"),
    ("tiff, pages", frames(GREY, "TIFF"), "one frame or page", "3 of them"),
    ("jpeg, CMYK", saved(COLOUR, "JPEG", "CMYK"), "grey or RGB", "mode CMYK"),
    ("tiff, YCbCr", saved(COLOUR, "TIFF", "YCbCr"), "grey or RGB", "mode YCbCr"),
    ("tiff, LAB", saved(COLOUR, "TIFF", "LAB"), "grey or RGB", "mode LAB"),
    ("tiff, 32 bits", tiff(DEEP.astype("uint32")), "16 bits of grey", "32 bits, mode I"),
    ("tiff, signed 16 bits", tiff(DEEP.astype("int16")), "unsigned integers", "signed"),
    ("tiff, signed 8 bits", tiff(GREY.astype("int8")), "unsigned integers", "signed"),
    (
        "tiff, colour of 16 bits",
        tiff(COLOUR.astype("uint16"), photometric="rgb"),
        "8 bits a channel",
        "16 bits, colour",
    ),
    (
        "tiff, colour of 16 bits in planes",
        tiff(
            np.moveaxis(COLOUR, -1, 0).astype("uint16"),
            photometric="rgb",
            planarconfig="separate",
        ),
        "8 bits a channel",
        "16 bits, colour",
    ),
    (
        "tiff, two channels",
        tiff(COLOUR[..., :2], photometric="minisblack", planarconfig="contig"),
        "grey, colour or alpha",
        "a channel",
    ),
    ("avif", saved(COLOUR, "AVIF"), "readable image", "none of PNG"),
    ("text", b"hello", "readable image", "none of PNG"),
    ("nothing", b"", "readable image", "none of PNG"),
]


def _named(rows):
    return [pytest.param(*row[1:], id=row[0]) for row in rows]


@pytest.mark.parametrize(("content", "expected"), _named(READ))
def test_pixels_are_what_was_written(content, expected):
    values = read_pixels(io.BytesIO(content), "file").values
    expected = np.asarray(expected)
    assert values.dtype == ("float32" if expected.dtype == "float32" else "uint8")
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(("content", "expected", "received"), _named(REFUSED))
def test_what_needs_a_choice_is_refused(content, expected, received):
    with pytest.raises(DataError, match=f"^file: .*{expected}.*{received}"):
        read_pixels(io.BytesIO(content), "file")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "array", "options"),
    [
        ("PNG", COLOUR, {}),
        ("WEBP", COLOUR, {"lossless": True}),
        ("TIFF", GREY, {}),
        ("TIFF", DEEP, {}),
    ],
    ids=["png", "webp", "tiff", "tiff, 16 bits"],
)
def test_the_stated_orientation_is_applied_once(kind, array, options, orientation):
    """By the words of EXIF: where the 0th row and the 0th column of what is stored are shown."""
    content = oriented(array, kind, orientation, **options)
    # 1 top, left; 2 top, right; 3 bottom, right; 4 bottom, left; 5 to 8: rows are columns.
    shown = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.swapaxes(0, 1),
        6: array.swapaxes(0, 1)[:, ::-1],
        7: array.swapaxes(0, 1)[::-1, ::-1],
        8: array.swapaxes(0, 1)[::-1],
    }[orientation]
    pixels = read_pixels(io.BytesIO(content), "file")
    if array is DEEP:
        shown = float32(shown, 65_535)
        assert (pixels.bits, pixels.largest) == (16, 65_535)
    np.testing.assert_array_equal(pixels.values, shown)


def test_other_decoders_read_the_same():
    """TensorFlow's own decoders, and tifffile: none of them is Pillow."""
    smooth = np.add.outer(np.arange(40), 3 * np.arange(48))[..., None] + [0, 40, 80]
    smooth = smooth.astype("uint8")
    for kind, decode in {
        "PNG": tf.io.decode_png,
        "BMP": tf.io.decode_bmp,
        "GIF": lambda content: tf.io.decode_gif(content)[0],
    }.items():
        content = saved(smooth, kind)
        np.testing.assert_array_equal(
            read_pixels(io.BytesIO(content), kind).values, decode(content), err_msg=kind
        )
    content = saved(smooth, "JPEG", quality=90)
    decoded = tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE").numpy()
    difference = read_pixels(io.BytesIO(content), "JPEG").values.astype(int) - decoded
    assert np.abs(difference).max() <= 1
    for options in ({}, {"byteorder": ">"}, {"compression": "zlib"}):
        content = tiff(DEEP, **options)
        read = tifffile.imread(io.BytesIO(content))
        values = read_pixels(io.BytesIO(content), "TIFF").values
        np.testing.assert_array_equal(values, float32(read, 65_535))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP"])
def test_a_file_that_ends_early_is_not_read(kind):
    content = saved(_RANDOM.integers(0, 256, (40, 40, 3), "uint8"), kind)
    for share in (0.05, 0.3, 0.6, 0.9):
        with pytest.raises(DataError, match=r"^file: not a readable image"):
            read_pixels(io.BytesIO(content[: int(share * len(content))]), "file")
