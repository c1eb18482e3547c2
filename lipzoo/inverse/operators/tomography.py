"""Parallel-beam tomography by exact line integrals."""

import functools
import math
import numbers

import keras
import numpy as np
from keras import ops

from lipzoo.inverse.operators.arguments import as_batch
from lipzoo.inverse.operators.base import MAX_ENTRIES, LinearOperator, Matrix
from lipzoo.inverse.operators.parallel_beam import ParallelBeam, shadow
from lipzoo.inverse.operators.scanner_arguments import as_degrees, check_memory, enough_bins
from lipzoo.rounding import inflated
from lipzoo.spectral import dense_norm_bound
from lipzoo.validation import integer, integers

# Entries of a scanner that is multiplied with as a dense matrix: 4 MiB in float32.
_DENSE = 2**20

CENTERS = ("image", "pixel")


@keras.saving.register_keras_serializable(package="lipzoo")
class Tomography(LinearOperator):
    """Parallel-beam projections of an image: averages of line integrals over detector bins.

        y[θ, b] = (1/w) ∫_{bin b} ∫ x(s cos θ - t sin θ, s sin θ + t cos θ) dt ds

    for the image as the piecewise constant function that its pixels are, on a rectangle whose
    longer side is 1, centred at the origin; w, the width of a bin, is that of a pixel. The
    integrals are exact, so the adjoint is the transposed matrix. At θ = 0 the rays run along the
    columns of the image.

    No dense matrix is made of more than 2²⁰ entries: what is stored are the pixels that each ray
    meets, once per process for scanners of equal arguments: of the angles up to 45° where the
    others are mirror images of those, as for a square and evenly spread angles. That takes about
    300 bytes for each pixel and each such angle.

    Args:
        size: pixels a side, or `(height, width)`.
        angles: number of angles, spread evenly over 180 degrees, or a list of angles in degrees.
        bins: number of detector bins; None for as many as it takes to see all of the image with
            bins as wide as a pixel.
        center: what the scanner turns about: `"image"`, the centre of the image and of the
            detector; or `"pixel"`, as scikit-image has it, the centre of the pixel in row
            `height // 2` and column `width // 2`, which bin `bins // 2` is centred on. For
            sinograms of `skimage.transform.radon`, transposed and divided by the longer side.
        normalized: whether to divide by the norm, so that it is 1.

    Input: images of shape `(batch, height, width, 1)`. Output: sinograms `(batch, angles, bins)`,
    in units of image values times the longer side of the image.

    Raises:
        ValueError: if an argument is out of range, or more than 2²⁶ pairs of a pixel and an angle
            (20 GB) are to be stored.

    Warns:
        UserWarning: if five angles or more all lie within 2π, as angles in radians do.

    Guarantee: `norm_bound` is the verified largest singular value, to 1e-10 up to 2²⁰ entries, and
    a bound by Collatz and Wielandt, about 1e-4 above it, beyond. Of a square image about its
    centre, not normalised, it is the verified one up to 2²⁵ entries, and the smallest singular
    value is bounded too: from a dense matrix that is made for that and dropped, once per process.
    In exact arithmetic a normalised scanner, as its entries are stored, has norm 1 at most.

    Example:

    >>> scanner = Tomography(size=8, angles=4)
    >>> scanner.output_shape
    (4, 12)
    >>> disc = scanner.apply(np.ones((1, 8, 8, 1), "float32"))
    >>> float(np.max(disc[0, 0]))
    1.0
    >>> Tomography((6, 8), angles=4, normalized=True).norm_bound
    1.0
    """

    def __init__(self, size, angles=16, bins=None, center="image", normalized=False):
        self.size = (
            integers(size, 2, "size") if isinstance(size, list | tuple) else integer(size, "size")
        )
        shape = integers(size, 2, "size")
        bins = None if bins is None else integer(bins, "bins")
        degrees = as_degrees(angles)
        if center not in CENTERS:
            raise ValueError(f"center must be one of {CENTERS}. Received: center={center!r}")
        if not isinstance(normalized, bool):
            raise ValueError(
                f"normalized must be True or False. Received: normalized={normalized!r}"
            )
        self.bins, self.center, self.normalized = bins, center, normalized
        self.angles = int(angles) if isinstance(angles, numbers.Integral) else degrees.tolist()
        bins = enough_bins(shape, center) if bins is None else bins
        check_memory(shape, degrees.tolist(), center == "pixel")
        super().__init__((*shape, 1), (len(degrees), bins))
        self._geometry = shape, tuple(degrees.tolist()), bins, center == "pixel"

    @property
    def _computed(self):
        """What the products are made by; of all scanners of one geometry the same."""
        return _products(*self._geometry, self.normalized)

    @property
    def scale(self) -> float:
        """What line integrals are divided by: 1, or just above the norm if that is normalised."""
        return _scale(*self._geometry) if self.normalized else 1.0

    @property
    def degrees(self) -> np.ndarray:
        """The angles, in degrees."""
        return np.array(self._geometry[1])

    def apply(self, x):
        x = as_batch(x, self.input_shape)
        computed = self._computed
        if isinstance(computed, Matrix):
            return computed.apply(x)
        return computed.apply(ops.squeeze(x, axis=-1))

    def adjoint(self, y):
        y = as_batch(y, self.output_shape)
        computed = self._computed
        if isinstance(computed, Matrix):
            return computed.adjoint(y)
        return ops.expand_dims(computed.adjoint(y), axis=-1)

    @property
    def norm_bound(self) -> float:
        if self.normalized:
            # See _scale.
            return 1.0
        return self._dense_bounds[0] if self._has_dense_bounds else self._computed.norm_bound

    @property
    def smallest_singular_value_bound(self) -> float:
        if self._has_dense_bounds:
            return self._dense_bounds[1]
        return self._computed.smallest_singular_value_bound

    @property
    def _has_dense_bounds(self):
        """Whether bounds are of a dense matrix, as step sizes of models without tiles are."""
        (height, width), _, _, pixel = self._geometry
        upright = height != width or pixel or self.normalized
        small = self.inputs * self.outputs <= MAX_ENTRIES
        return small and not upright and isinstance(self._computed, ParallelBeam)

    @property
    def _dense_bounds(self):
        return _dense_bounds(*self._geometry)

    def rounding(self, dtype):
        return self._computed.rounding(dtype)

    def matrix(self) -> np.ndarray:
        self._check_matrix_size()
        return self._computed.matrix()

    def get_config(self):
        config = {"size": self.size, "angles": self.angles, "bins": self.bins}
        if not isinstance(self.size, int):
            config["size"] = list(self.size)
        if self.center != "image":
            config["center"] = self.center
        if self.normalized:
            config["normalized"] = True
        return config


@functools.lru_cache(maxsize=16)
def _products(shape, degrees, bins, pixel, normalized):
    """The matrix or the sparse products of a scanner."""
    side = 1.0 / max(shape)
    scale = _scale(shape, degrees, bins, pixel) if normalized else 1.0
    if math.prod(shape) * len(degrees) * bins > _DENSE:
        return ParallelBeam(shape, degrees, bins, pixel, side, scale)
    if shape[0] != shape[1] or pixel or normalized:
        rows = ParallelBeam(shape, degrees, bins, pixel, side, scale).matrix()
    else:
        rows = np.concatenate([_projection(shape[0], angle, bins) for angle in np.deg2rad(degrees)])
    return Matrix(rows, (*shape, 1), (len(degrees), bins))


@functools.lru_cache(maxsize=16)
def _scale(shape, degrees, bins, pixel):
    """Just above the norm of the products, so that what is divided by it has norm 1 at most.

    Normalised entries are `fl(area * fl(side / scale))`, those that are bounded here
    `fl(area * side)`: two roundings there and one here, whence the former are at most
    `(1 + u)² / (1 - u) / scale` times the latter. None is negative, so norms compare as entries do.
    """
    beam = ParallelBeam(shape, degrees, bins, pixel, 1.0 / max(shape))
    dense = math.prod(shape) * len(degrees) * bins <= _DENSE
    norm = dense_norm_bound(beam.matrix()) if dense else beam.norm_bound
    return float(inflated(norm, 4))


@functools.lru_cache(maxsize=64)
def _dense_bounds(*geometry):
    """Bounds of the largest and smallest singular value of sparse products."""
    matrix = Matrix(_products(*geometry, False).matrix())
    return matrix.norm_bound, matrix.smallest_singular_value_bound


def _projection(size, angle, bins):
    """The rows of one angle: mean over each bin of the length of a ray within each pixel."""
    width = 1.0 / size
    cosine, sine = abs(math.cos(angle)) * width, abs(math.sin(angle)) * width
    centres = (np.arange(size) + 0.5) * width - 0.5
    # Rows of an image run downwards.
    x, y = np.meshgrid(centres, -centres)
    position = (x * math.cos(angle) + y * math.sin(angle)).reshape(-1)
    edges = (np.arange(bins + 1) - 0.5 * bins) * width
    area = shadow(edges[:, None] - position, cosine, sine, width)
    return np.diff(area, axis=0) / width
