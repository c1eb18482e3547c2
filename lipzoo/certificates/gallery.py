"""Certified images as a grid: what each was taken for, how far that holds, and what is nearest."""

import math

import numpy as np

from lipzoo.plotting import ATTACKED, CERTIFIED, GREY, INK, draw_image, new_figure
from lipzoo.validation import integer
from lipzoo_catalogue.formatting import format_down

COLUMNS = 8


def show(certificate, images, n=16, examples=None, columns=COLUMNS):
    """Draws images of a certificate; see `Certificate.show`."""
    shown = _chosen(len(certificate), integer(n, "n"), examples)
    pictures = as_pictures(images, len(certificate), shown)
    columns = min(integer(columns, "columns"), len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(1.7 * columns, 2.25 * rows, "Certificate.show")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, place, picture in zip(grid[: len(shown)], shown, pictures, strict=True):
        draw_image(axes, picture)
        said, right = _prediction(certificate, place)
        radius = format_down(float(certificate.radius[place]), 3)
        axes.set_title(f"{said}\nr = {radius}", color=INK if right else ATTACKED, fontsize=9)
        rival = int(certificate.rival[place])
        nearest = f"nearest: {_name(certificate, rival)}" if rival >= 0 else "no rival"
        axes.set_xlabel(nearest, color=CERTIFIED if rival >= 0 else GREY, fontsize=8)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    return figure


def as_pictures(images, count: int, shown) -> np.ndarray:
    """Some of the images that a certificate is of, with values in [0, 1].

    Bytes are divided by 255. Other values that leave [0, 1] are shown between the least and the
    largest of those that are shown.

    Raises:
        ValueError: if they are no images, or not those of the certificate by their number.
    """
    images = np.asarray(images)
    gray = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3))
    if not gray or images.dtype.kind not in "buif":
        raise ValueError(
            "Expected images of shape (examples, height, width), with 1 or 3 channels behind or "
            f"none. Received: images of shape {images.shape}, {images.dtype}"
        )
    if len(images) != count:
        raise ValueError(
            f"Expected the {count} images that the certificate is of. Received: {len(images)}"
        )
    pictures = images[shown].astype("float64")
    if images.dtype == np.uint8:
        return pictures / 255
    low, high = float(pictures.min()), float(pictures.max())
    if low >= 0 and high <= 1:
        return pictures
    return (pictures - low) / max(high - low, np.finfo("float64").tiny)


def _chosen(count, n, examples) -> np.ndarray:
    """The numbers of the examples that are shown."""
    if examples is None:
        return np.arange(min(n, count))
    places = np.asarray(examples)
    inside = places.ndim == 1 and places.dtype.kind in "iu" and places.size > 0
    if not inside or places.min() < 0 or places.max() >= count:
        raise ValueError(
            f"Expected examples to be a list of numbers from 0 to {count - 1}. "
            f"Received: examples={examples!r}"
        )
    return places[:n]


def _prediction(certificate, place) -> tuple[str, bool]:
    """What stands above an image, and whether it may be right."""
    prediction = int(certificate.prediction[place])
    name = _name(certificate, prediction)
    if certificate.labels is None or prediction == certificate.labels[place]:
        return name, True
    return f"{name} (is {_name(certificate, int(certificate.labels[place]))})", False


def _name(certificate, number: int) -> str:
    return certificate.class_names[number] if certificate.class_names else str(number)
