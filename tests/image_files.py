"""Image files written by hand or by other libraries than the one that reads them."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image


def png(rows, depth, colour, *chunks, interlace=0):
    """A PNG file: rows of packed bytes, bits a sample, colour type, and further chunks."""
    width = len(rows[0]) * 8 // (depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour])
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, interlace)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind, content):
    """A chunk of a PNG file."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def big_endian(array):
    """The rows of an array of 16-bit numbers, as PNG has them."""
    return [row.astype(">u2").tobytes() for row in array]


def tiff(array, **options):
    """A TIFF file by tifffile."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def tiff_of_12_bits(values):
    """A TIFF file of one row of grey values of 12 bits, packed without gaps."""
    bits = "".join(f"{value:012b}" for value in values)
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    short, long, entries = 3, 4, 9
    where = 8 + 2 + 12 * entries + 4
    tags = [
        (256, short, len(values)), (257, short, 1), (258, short, 12), (259, short, 1),
        (262, short, 1), (273, long, where), (277, short, 1), (278, short, 1),
        (279, long, len(data)),
    ]  # fmt: skip
    file = b"II*\0" + struct.pack("<IH", 8, entries)
    for tag, kind, value in tags:
        file += struct.pack("<HHI", tag, kind, 1)
        file += struct.pack("<HH", value, 0) if kind == short else struct.pack("<I", value)
    return file + struct.pack("<I", 0) + data


def bmp(rows):
    """A BMP file of 24 bits a pixel: rows from below, blue first, each of whole words."""
    height, width = len(rows), len(rows[0])
    lines = [np.asarray(row, "uint8")[:, ::-1].tobytes() for row in rows[::-1]]
    data = b"".join(line + b"\0" * (-len(line) % 4) for line in lines)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + header + data


def saved(array, kind, mode=None, **options):
    """A file by Pillow, for formats that are lossless."""
    stream = io.BytesIO()
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    image.save(stream, kind, **options)
    return stream.getvalue()


def frames(array, kind):
    """A file of three frames or pages."""
    others = [Image.fromarray(255 - array), Image.fromarray(array // 2)]
    return saved(array, kind, save_all=True, append_images=others)


def oriented(array, kind, orientation, **options):
    """A file whose EXIF entry says how it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(array, kind, exif=exif, **options)
