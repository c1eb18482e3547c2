"""Products with the matrix of a scanner, in tiles of the image."""

import keras
import numpy as np
from keras import ops

from lipzoo.operators import StoredTensor
from lipzoo.rounding import HALF_PRECISION, add_up, gamma, mul_up

# Pixels a side of a tile. Of its shadow, a dense block, nine tenths are zeros, and still the
# product is faster than one that visits the entries singly.
_SIDE = 16


class Tiles:
    """A sparse matrix from images `(height, width)` to projections `(angles, bins)`.

    Of each tile and each angle the entries are one dense block, from the tile's pixels to the bins
    that its shadow falls on; blocks of all angles are multiplied at once, and the shadows added.

    Args:
        angle, bin_, pixel, value: the entries; no two of one place, none of them 0.
        angles, bins: number of projections and of bins.
        shape: `(height, width)`.
    """

    def __init__(self, angle, bin_, pixel, value, angles, bins, shape):
        self._angles, self._bins, self._shape = angles, bins, shape
        self._grid = tuple(-(-n // _SIDE) for n in shape)
        row, column = np.divmod(pixel, shape[1])
        tile = (row // _SIDE) * self._grid[1] + column // _SIDE
        within = (row % _SIDE) * _SIDE + column % _SIDE
        pair = tile * angles + angle
        self._tiles = self._grid[0] * self._grid[1]
        first = np.full(self._tiles * angles, bins)
        last = np.zeros(self._tiles * angles, int)
        np.minimum.at(first, pair, bin_)
        np.maximum.at(last, pair, bin_)
        self._window = max(1, int((last - first).max(initial=0)) + 1)
        first = np.minimum(first, bins - self._window)
        line = pair * self._window + bin_ - first[pair]
        self._at, self._value = line * _SIDE**2 + within, value
        starts = first.reshape(self._tiles, angles) + np.arange(angles) * bins
        self._places = (starts[..., None] + np.arange(self._window)).ravel().astype("int32")
        self._targets = StoredTensor(self._places.astype)
        self._count_terms(line, pixel)
        self._forward = StoredTensor(self._blocks)
        self._backward = StoredTensor(self._transposed)

    def _count_terms(self, line, pixel):
        """Additions on the way of a term; what is added to a sum of zeros is not rounded."""
        terms = np.bincount(line, minlength=len(self._places))
        shadows = np.bincount(self._places[terms > 0])
        self.additions = max(0, int(terms.max(initial=1)) + int(shadows.max(initial=1)) - 2)
        self.additions_back = max(0, int(np.bincount(pixel).max(initial=1)) - 1)

    def _blocks(self, dtype):
        blocks = np.zeros((self._tiles, self._angles * self._window, _SIDE**2), dtype)
        blocks.reshape(-1)[self._at] = self._value
        return blocks

    def _transposed(self, dtype):
        return np.ascontiguousarray(np.swapaxes(self._blocks(dtype), 1, 2))

    def apply(self, images):
        """Projections `(batch, angles * bins)` of images `(batch, height, width)`."""
        dtype = keras.backend.standardize_dtype(images.dtype)
        if dtype in HALF_PRECISION:
            return ops.cast(self.apply(ops.cast(images, "float32")), dtype)
        high, wide = self._grid
        sides = zip(self._grid, self._shape, strict=True)
        margins = [(0, count * _SIDE - n) for count, n in sides]
        if any(after for _, after in margins):
            images = ops.pad(images, [(0, 0), *margins])
        pixels = ops.reshape(images, (-1, high, _SIDE, wide, _SIDE))
        pixels = ops.reshape(ops.transpose(pixels, (1, 3, 2, 4, 0)), (self._tiles, _SIDE**2, -1))
        shadows = ops.matmul(self._forward.of(dtype, images), pixels)
        shadows = ops.reshape(shadows, (len(self._places), -1))
        targets = self._targets.of("int32", images)
        sums = ops.segment_sum(shadows, targets, num_segments=self._angles * self._bins)
        return ops.transpose(sums)

    def adjoint(self, projections):
        """Images `(batch, height, width)` from `(batch, angles * bins)`."""
        dtype = keras.backend.standardize_dtype(projections.dtype)
        if dtype in HALF_PRECISION:
            return ops.cast(self.adjoint(ops.cast(projections, "float32")), dtype)
        high, wide = self._grid
        places = self._targets.of("int32", projections)
        shadows = ops.take(ops.transpose(projections), places, axis=0)
        shadows = ops.reshape(shadows, (self._tiles, self._angles * self._window, -1))
        pixels = ops.matmul(self._backward.of(dtype, projections), shadows)
        pixels = ops.reshape(pixels, (high, wide, _SIDE, _SIDE, -1))
        images = ops.transpose(pixels, (4, 0, 2, 1, 3))
        images = ops.reshape(images, (-1, high * _SIDE, wide * _SIDE))
        return images[:, : self._shape[0], : self._shape[1]]

    def rounding(self, dtype, absolute_norm, more_back):
        """Slopes of rounding for a matrix of non-negative entries whose norm is bounded so.

        A term is an entry that was cast to the type, times a number: two roundings, and as many
        more as there are additions on its way, in any order. So the error of a sum is at most
        `gamma_m` times the sum of the moduli, and that of all sums `gamma_m ‖A‖`.

        Args:
            dtype: the type of the products.
            absolute_norm: bound of the norm of the matrix, or of what it is a part of.
            more_back: additions that follow those of `adjoint`.
        """
        half = dtype in HALF_PRECISION
        slopes = []
        for additions in (self.additions, self.additions_back + more_back):
            slope = mul_up(gamma(additions + 2, "float32" if half else dtype), absolute_norm)
            if half:
                # The finished sums are rounded once, and again where they are added up.
                rounded = mul_up(gamma(1 + more_back, dtype), add_up(slope, absolute_norm))
                slope = add_up(slope, rounded)
            slopes.append(slope)
        return slopes[0], slopes[1]
