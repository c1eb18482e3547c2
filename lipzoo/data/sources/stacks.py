"""Arrays of many images: all of one size, one type and one number of channels."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.pixels import Pixels, read_pixels
from lipzoo.data.sources.raw import DataError
from lipzoo_catalogue.certified.origin import LeftOut


def read_each(
    entries: Iterable[tuple[Path | BinaryIO | None, str, str | int]], settings: DataSettings
) -> tuple[list[Pixels], list[str | int], tuple[LeftOut, ...]]:
    """Reads images of one size, each of them or, with `missing = "drop"`, those that can be read.

    Args:
        entries: the file of each, or `None` for what is no image; its name in errors; its origin.
        settings: the `[data]` table of a recipe.

    Returns:
        The images, their origins, and what is left out.

    Raises:
        DataError: if there is one that cannot be read, or one of another size.
    """
    pixels, origins, left_out = [], [], []
    for file, name, origin in entries:
        if file is None:
            left_out.append(LeftOut(len(pixels), origin, "no image of a format that is read"))
            continue
        try:
            image = read_pixels(file, name)
        except DataError as error:
            if settings.missing == "error":
                raise DataError(
                    f'{error}. Set missing = "drop" in [data] to leave such images out'
                ) from None
            left_out.append(LeftOut(len(pixels), origin, str(error).removeprefix(f"{name}: ")))
            continue
        pixels.append(image)
        origins.append(origin)
        if _size(image) != _size(pixels[0]):
            raise DataError(
                f"{name}: expected images of one size, {_size(pixels[0])} pixels as {origins[0]} "
                f"has. Received: {_size(image)}. Resize or crop them first: a radius is in pixels "
                "of the size that the model sees (docs/train.md has the lines that do it)"
            )
    return pixels, origins, tuple(left_out)


def _size(pixels: Pixels) -> str:
    height, width = pixels.values.shape[:2]
    return f"{width} x {height}"


def stacked(splits: dict[str, list[Pixels]]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Each split's images as one array, shape `(n, height, width)` or `(n, height, width, 3)`.

    If any image is coloured, grey ones get three equal channels; if any has more than 8 bits, all
    are numbers in [0, 1]. The notes say where that or the division of `read_pixels` has happened.
    """
    everything = [pixels for images in splits.values() for pixels in images]
    colour = [pixels.values.ndim == 3 for pixels in everything]
    deep = [pixels.values.dtype != np.uint8 for pixels in everything]
    total, notes = len(everything), []
    if any(colour) and not all(colour):
        notes.append(f"grey, {colour.count(False)} of {total} images: given three equal channels")
    if any(deep) and not all(deep):
        notes.append(f"8 bits a pixel, {deep.count(False)} of {total} images: divided by 255")
    for bits, count in sorted(Counter(pixels.bits for pixels in everything).items()):
        if bits > 8:
            largest = max(pixels.largest for pixels in everything if pixels.bits == bits)
            notes.append(
                f"{bits} bits a pixel, {count} of {total} images: divided by {2**bits - 1}, the "
                f"largest value that they could have; the largest that they have is {largest}"
            )

    def uniform(pixels):
        values = pixels.values
        if any(deep) and values.dtype == np.uint8:
            values = values.astype("float32") / np.float32(255)
        return np.repeat(values[..., None], 3, -1) if any(colour) and values.ndim == 2 else values

    arrays = {name: np.stack([*map(uniform, images)]) for name, images in splits.items()}
    return arrays, tuple(notes)
