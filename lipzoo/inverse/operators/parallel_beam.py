"""The sums of parallel-beam tomography, without a dense matrix."""

import functools
import math

import numpy as np
from keras import ops

from lipzoo.inverse.operators.mirror_images import mirrored, padded, views
from lipzoo.inverse.operators.tiles import Tiles
from lipzoo.operators import BoundedOperator
from lipzoo.spectral.nonnegative import nonnegative_norm_bound

# Of the power iteration, on grids that are refined up to the one in question.
_TOLERANCE, _COARSEST = 1e-4, 32


class ParallelBeam(BoundedOperator):
    """`A: x ↦ y` from images `(batch, height, width)` to sinograms `(batch, angles, bins)`.

    An image seen from θ in (90°, 180°) is its mirror image seen from 180° - θ, and a square one
    seen from θ in (45°, 90°) is its transpose about the other diagonal seen from 90° - θ. So a
    matrix of the angles up to 45° is enough, applied to four images at once, where the angles are
    spread evenly; for other angles the matrix has them all.

    Args:
        shape: `(height, width)` in pixels.
        degrees: the angles.
        bins: number of bins of the detector, as wide as a pixel.
        pixel: whether the scanner turns about the centre of the pixel in row `height // 2` and
            column `width // 2`, which bin `bins // 2` is centred on, and not about the centre of
            image and detector.
        side: length of the side of a pixel.
        scale: what the entries are divided by.
    """

    def __init__(self, shape, degrees, bins, pixel, side, scale=1.0):
        self.shape, self.degrees, self.bins = tuple(shape), tuple(degrees), bins
        self.pixel, self.side, self.scale = pixel, side, scale
        # About a pixel, an image of even size is symmetric once it has one row more.
        self._padded = padded(self.shape, pixel)
        self._seen, self._mirrors, slots = views(self._padded, self.degrees)
        self._slots = np.array(slots, "int32")
        # An empty slot takes the zeros that are appended to a sinogram.
        total = len(self._seen) * len(self._mirrors)
        self._of_slots = np.full(total, len(self.degrees), "int32")
        self._of_slots[self._slots] = np.arange(len(self.degrees))
        self._angle, self._bin, self._pixel, self._value = self._entries()

    @functools.cached_property
    def tiles(self) -> Tiles:
        """What tensors are multiplied with."""
        entries = self._angle, self._bin, self._pixel, self._value
        return Tiles(*entries, len(self._seen), self.bins, self._padded)

    def _entries(self):
        parts = [self._projection(angle) for angle in np.deg2rad(self._seen)]
        angle = np.repeat(np.arange(len(parts)), [len(values) for _, _, values in parts])
        return angle, *(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _projection(self, angle):
        """Bins, pixels and means over bins of one angle, where a pixel meets a bin."""
        cosine, sine = math.cos(angle), math.sin(angle)
        y, x = np.indices(self._padded)
        height, width = self._padded
        x, y = x - (width - 1) / 2, (height - 1) / 2 - y
        position = (x * cosine + y * sine).ravel()
        first_edge = -(self.bins // 2 + 0.5) if self.pixel else -self.bins / 2
        reach = (abs(cosine) + abs(sine)) / 2
        first = np.floor(position - reach - first_edge).astype(int)
        found = []
        below = shadow(first + first_edge - position, abs(cosine), abs(sine))
        for place in (first, first + 1, first + 2):
            above = shadow(place + 1 + first_edge - position, abs(cosine), abs(sine))
            area = np.maximum(above - below, 0.0)
            kept = (area > 0) & (place >= 0) & (place < self.bins)
            pixels = np.flatnonzero(kept)
            found.append((place[pixels], pixels, area[pixels] * (self.side / self.scale)))
            below = above
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def apply(self, x):
        return self._forward(x, ops, self.tiles.apply)

    def adjoint(self, y):
        return self._backward(y, ops, self.tiles.adjoint)

    def _forward(self, x, xp, product):
        height, width = self._padded
        margins = [(0, 0), (0, height - self.shape[0]), (0, width - self.shape[1])]
        x = xp.pad(x, margins) if any(map(any, margins)) else x
        images = [mirrored(x, mirror, xp) for mirror in self._mirrors]
        stacked = images[0] if len(images) == 1 else xp.concatenate(images, axis=0)
        seen = product(stacked)
        if len(images) == 1:
            return xp.reshape(seen, (-1, len(self.degrees), self.bins))
        seen = xp.reshape(seen, (len(images), -1, len(self._seen), self.bins))
        seen = xp.reshape(xp.transpose(seen, (1, 0, 2, 3)), (-1, len(self._of_slots), self.bins))
        return xp.take(seen, self._slots, axis=1)

    def _backward(self, y, xp, product):
        height, width = self._padded
        count = len(self._mirrors)
        if count > 1:
            y = xp.take(xp.pad(y, [(0, 0), (0, 1), (0, 0)]), self._of_slots, axis=1)
            y = xp.reshape(y, (-1, count, len(self._seen), self.bins))
            y = xp.transpose(y, (1, 0, 2, 3))
        images = product(xp.reshape(y, (-1, len(self._seen) * self.bins)))
        if count > 1:
            images = xp.reshape(images, (count, -1, height, width))
            parts = [
                mirrored(images[index], mirror, xp, back=True)
                for index, mirror in enumerate(self._mirrors)
            ]
            images = sum(parts[1:], parts[0])
        images = xp.reshape(images, (-1, height, width))
        return images[:, : self.shape[0], : self.shape[1]]

    def exact(self, image: np.ndarray) -> np.ndarray:
        """`A x` of one flattened image in float64, by NumPy."""
        rows = self._angle * self.bins + self._bin
        count = len(self._seen) * self.bins

        def product(images):
            pixels = images.reshape(len(images), -1)
            return np.stack(
                [np.bincount(rows, self._value * x[self._pixel], count) for x in pixels]
            )

        return self._forward(image.reshape(1, *self.shape), np, product).ravel()

    def exact_adjoint(self, sinogram: np.ndarray) -> np.ndarray:
        """`Aᵀy` of one flattened sinogram in float64, by NumPy."""
        rows = self._angle * self.bins + self._bin
        count = math.prod(self._padded)

        def product(sinograms):
            return np.stack(
                [np.bincount(self._pixel, self._value * y[rows], count) for y in sinograms]
            )

        sinogram = sinogram.reshape(1, len(self.degrees), self.bins)
        return self._backward(sinogram, np, product).ravel()

    @functools.cached_property
    def norm_bound(self) -> float:
        # Terms of a row and of a column, which are added up in any order.
        longest = np.bincount(self._angle * self.bins + self._bin).max()
        operations = int(longest + np.bincount(self._pixel).max()) + len(self._mirrors)
        return nonnegative_norm_bound(
            self.exact, self.exact_adjoint, self.leading().ravel(), operations, tolerance=_TOLERANCE
        )

    def leading(self) -> np.ndarray:
        """About the image that is seen best: a start, found on a coarser grid."""
        coarse = tuple(-(-n // 2) for n in self.shape)
        if min(coarse) < _COARSEST:
            return np.ones(self.shape)
        beam = ParallelBeam(
            coarse, self.degrees[::2], -(-self.bins // 2), self.pixel, 2 * self.side, self.scale
        )
        v = beam.leading().ravel()
        for _ in range(4):
            v = beam.exact_adjoint(beam.exact(v))
            v /= v.max()
        fine = np.kron(v.reshape(coarse), np.ones((2, 2)))
        return fine[: self.shape[0], : self.shape[1]]

    def rounding(self, dtype):
        return self.tiles.rounding(dtype, self.norm_bound, len(self._mirrors) - 1)

    def matrix(self) -> np.ndarray:
        """A in full, in float64."""
        dense = np.zeros((len(self._seen), self.bins, math.prod(self._padded)))
        dense[self._angle, self._bin, self._pixel] = self._value
        dense = dense.reshape(len(self._seen), self.bins, *self._padded)
        parts = [mirrored(dense, mirror, np, back=True) for mirror in self._mirrors]
        dense = np.concatenate(parts)[self._slots]
        dense = dense[..., : self.shape[0], : self.shape[1]]
        return dense.reshape(len(self.degrees) * self.bins, -1)


def shadow(s, a, b, side=1.0):
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
