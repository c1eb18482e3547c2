"""Parallel-beam tomography as the exact matrix of its line integrals."""

import math
import numbers

import keras
import numpy as np

from lipzoo.inverse.operators.base import MAX_ENTRIES, Matrix
from lipzoo.validation import integer, real_array


@keras.saving.register_keras_serializable(package="lipzoo")
class Tomography(Matrix):
    """Parallel-beam projections of a square image: averages of line integrals over detector bins.

        y[θ, b] = (1/w) ∫_{bin b} ∫ x(s cos θ - t sin θ, s sin θ + t cos θ) dt ds

    for the image as the piecewise constant function that its pixels are, on a square of side 1
    centred at the origin; w is the width of a bin. The integrals are exact, so the adjoint is the
    transposed matrix. At θ = 0 the rays run along the columns of the image.

    Args:
        size: pixels a side.
        angles: number of angles, spread evenly over 180 degrees, or a list of angles in degrees.
        bins: number of detector bins; None for as many as it takes to see all of the image with
            bins as wide as a pixel.

    Input: images of shape `(batch, size, size, 1)`. Output: sinograms `(batch, angles, bins)`, in
    units of image values times the side of the image.

    Raises:
        ValueError: if an argument is out of range.

    Guarantee: as for `Matrix`.

    Example:

    >>> scanner = Tomography(size=8, angles=4)
    >>> scanner.output_shape
    (4, 12)
    >>> disc = scanner.apply(np.ones((1, 8, 8, 1), "float32"))
    >>> float(np.max(disc[0, 0]))
    1.0
    """

    def __init__(self, size, angles=16, bins=None):
        size, bins = integer(size, "size"), None if bins is None else integer(bins, "bins")
        if isinstance(angles, int) and not isinstance(angles, bool) and 0 < angles <= MAX_ENTRIES:
            degrees = np.arange(angles) * (180.0 / angles)
        elif isinstance(angles, list | tuple | np.ndarray) and len(angles) > 0:
            degrees = np.array(real_array(angles, "angles"), dtype="float64")
        else:
            degrees = np.array([math.nan])
        if degrees.ndim != 1 or not np.isfinite(degrees).all():
            raise ValueError(
                "angles must be a positive number of angles or a list of angles in degrees. "
                f"Received: angles={angles!r}"
            )
        self.size, self.bins = size, bins
        self.angles = int(angles) if isinstance(angles, numbers.Integral) else degrees.tolist()
        bins = math.ceil(size * math.sqrt(2)) if bins is None else bins
        if size**2 * len(degrees) * bins > MAX_ENTRIES:
            raise ValueError(
                f"Expected an operator of at most {MAX_ENTRIES:,} entries. "
                f"Received: {len(degrees) * bins:,} x {size**2:,}"
            )
        rows = np.concatenate([_projection(size, angle, bins) for angle in np.deg2rad(degrees)])
        super().__init__(rows, (size, size, 1), (len(degrees), bins))

    def get_config(self):
        return {"size": self.size, "angles": self.angles, "bins": self.bins}


def _projection(size, angle, bins):
    """The rows of one angle: mean over each bin of the length of a ray within each pixel."""
    width = 1.0 / size
    cosine, sine = abs(math.cos(angle)) * width, abs(math.sin(angle)) * width
    centres = (np.arange(size) + 0.5) * width - 0.5
    # Rows of an image run downwards.
    x, y = np.meshgrid(centres, -centres)
    position = (x * math.cos(angle) + y * math.sin(angle)).reshape(-1)
    edges = (np.arange(bins + 1) - 0.5 * bins) * width
    area = _shadow(edges[:, None] - position, cosine, sine, width)
    return np.diff(area, axis=0) / width


def _shadow(s, a, b, side):
    """Area of a pixel on one side of a line at signed distance s from its centre.

    The pixel's profile, the length of a ray within it, is the convolution of two boxes of widths
    `a = side |cos|` and `b = side |sin|`, a trapezoid of area `side²`; this is its integral from
    minus infinity to s.
    """
    a, b = max(a, b), min(a, b)
    distance = np.abs(s)
    # Beyond the line lies a corner of the trapezoid, or that corner and a part of its flat top.
    corner = np.clip((a + b) / 2 - distance, 0.0, b)
    share = corner * (corner / b) / (2 * a) if b > 0 else 0.0
    share = share + np.clip((a - b) / 2 - distance, 0.0, None) / a
    return side**2 * np.where(s < 0, share, 1.0 - share)
