"""The linear operator of a matrix most of whose entries are zero."""

import functools
import math

import keras
import numpy as np
from keras import ops

from lipzoo.operators.base import BoundedOperator
from lipzoo.operators.stored import StoredTensor
from lipzoo.rounding import HALF_PRECISION, add_up, gamma, mul_up, unit_roundoff
from lipzoo.spectral.nonnegative import nonnegative_norm_bound

# Numbers that JAX holds at once of a product, before it adds them up: 256 MiB in float32.
_TERMS_AT_ONCE = 2**26
_SMALLEST = 1e-120


class SparseOperator(BoundedOperator):
    """`A: x ↦ Ax` on flattened vectors `(batch, columns)`, from the entries that are not zero.

    Every sum is made in two stages, of pieces of about the root of the longest one's length, so
    that rounding grows with the root: `L + P` roundings on the way of a term, not `L · P`. A row
    has as many pieces as its own entries fill.

    Args:
        rows, columns, values: the entries, in any order; entries of one place are added.
        shape: `(rows, columns)` of the matrix.

    Guarantee: `norm_bound` is a bound of the norm of |A|, the matrix of absolute values, by
    Collatz and Wielandt (`lipzoo.spectral.nonnegative`): tight where no entry is negative.

    Example:

    >>> operator = SparseOperator([0, 1], [0, 2], [3.0, 4.0], (2, 3))
    >>> keras.ops.convert_to_numpy(operator.apply(np.ones((1, 3), "float32"))).tolist()
    [[3.0, 4.0]]
    >>> 4.0 <= operator.norm_bound < 4.0001
    True
    """

    def __init__(self, rows, columns, values, shape):
        rows, columns = (np.asarray(part).ravel() for part in (rows, columns))
        values = np.asarray(values, "float64").ravel()
        self.shape = tuple(shape)
        kept = values != 0
        rows, columns, values = rows[kept], columns[kept], values[kept]
        self._forward = _Sums(rows, columns, values, *self.shape)
        self._backward = _Sums(columns, rows, values, *self.shape[::-1])

    def apply(self, x):
        return self._forward.of(x)

    def adjoint(self, y):
        return self._backward.of(y)

    @property
    def entries(self) -> int:
        """Number of entries that are stored."""
        return len(self._forward.given)

    @functools.cached_property
    def is_nonnegative(self) -> bool:
        """Whether no stored entry is negative."""
        return bool((self._forward.given >= 0).all())

    @property
    def fan_in(self) -> int:
        """Largest number of terms of an entry of Ax."""
        return self._forward.longest

    @property
    def fan_out(self) -> int:
        """Largest number of terms of an entry of Aᵀy."""
        return self._backward.longest

    @functools.cached_property
    def norm_bound(self) -> float:
        if not self.entries:
            return 0.0
        # Near 1 nothing overflows, and with small entries raised a little nothing underflows. A
        # power of two changes no digit.
        exponent = min(int(np.frexp(np.abs(self._forward.given).max())[1]), 1023)
        bound = nonnegative_norm_bound(
            functools.partial(self._forward.absolute, exponent=exponent),
            functools.partial(self._backward.absolute, exponent=exponent),
            np.ones(self.shape[1]),
            self.fan_in + self.fan_out,
        )
        return mul_up(bound, math.ldexp(1.0, exponent))

    def matrix(self) -> np.ndarray:
        """A in full, in float64."""
        dense = np.zeros(self.shape)
        np.add.at(dense, (self._forward.targets, self._forward.sources), self._forward.given)
        return dense

    def rounding(self, dtype):
        return self.rounding_of(dtype, self.norm_bound)

    def rounding_of(self, dtype, absolute_norm, further=0):
        """Slopes of rounding where `absolute_norm` bounds ‖|A|‖, and Aᵀy has `further` additions.

        A term is an entry that was cast to the type, times a number: two roundings; and as many
        more as there are additions on its way, in whatever order each stage adds. So the error of
        an entry is at most `gamma_m` times the sum of the moduli, and its norm `gamma_m ‖|A|‖`.
        """
        half = dtype in HALF_PRECISION
        computed = "float32" if half else dtype
        slopes = []
        for sums, more in ((self._forward, 0), (self._backward, further)):
            slope = mul_up(gamma(sums.additions + 2 + more, computed), absolute_norm)
            if half:
                # The finished sums are rounded once.
                slope = add_up(slope, mul_up(unit_roundoff(dtype), add_up(slope, absolute_norm)))
            slopes.append(slope)
        return slopes[0], slopes[1]


class _Sums:
    """One direction of the products: `target += value * source`, pieces first."""

    def __init__(self, targets, sources, values, size, source_size):
        order = np.lexsort((sources, targets))
        counts = np.bincount(targets, minlength=size)
        self.size, self.source_size = size, source_size
        self.longest = int(counts.max(initial=0))
        piece = math.isqrt(max(self.longest - 1, 0)) + 1
        pieces = -(-counts // piece)
        # A full piece, and then the pieces of the longest sum; what is added to 0 is not rounded.
        self.additions = min(piece, self.longest) + int(pieces.max(initial=0)) - 2
        self.additions = max(0, self.additions)
        self.pieces = int(pieces.sum())
        self.targets, self.given = targets[order].astype("int32"), values[order]
        self.sources = sources[order].astype("int32")
        self._values = StoredTensor(self.given.astype)
        starts = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(len(order)) - starts[self.targets]
        first = np.cumsum(pieces) - pieces
        self._places = first[self.targets] + within // piece
        self._indices = StoredTensor(self._coordinates)
        self._filled = np.flatnonzero(counts)
        self._rows = StoredTensor(np.repeat(np.arange(size), pieces).astype)
        self._starts = starts[self._filled]

    def _coordinates(self, dtype):
        return np.stack([self._places, self.sources], axis=1, dtype=dtype)

    def absolute(self, vector, exponent):
        """Products with the moduli of the entries over `2^exponent`, none of them below 1e-120."""
        result = np.zeros(self.size)
        if len(self._starts):
            moduli = np.maximum(np.ldexp(np.abs(self.given), -exponent), _SMALLEST)
            terms = moduli * vector[self.sources]
            result[self._filled] = np.add.reduceat(terms, self._starts)
        return result

    def of(self, x):
        dtype = keras.backend.standardize_dtype(x.dtype)
        if dtype in HALF_PRECISION:
            return ops.cast(self.of(ops.cast(x, "float32")), dtype)
        if not len(self.given):
            return ops.zeros((ops.shape(x)[0], self.size), dtype=dtype)
        product = {"tensorflow": self._tensorflow, "torch": self._torch, "jax": self._jax}
        partial = product[keras.backend.backend()](ops.transpose(x), dtype)
        rows = self._rows.of("int32", x)
        return ops.transpose(ops.segment_sum(partial, rows, num_segments=self.size))

    def _tensorflow(self, columns, dtype):
        import tensorflow as tf

        matrix = tf.SparseTensor(
            self._indices.of("int64"),
            self._values.of(dtype),
            (self.pieces, self.source_size),
        )
        return tf.sparse.sparse_dense_matmul(matrix, columns)

    def _torch(self, columns, dtype):
        import torch

        shape = self.pieces, self.source_size
        if columns.device.type == "meta":
            return columns.new_empty((shape[0], columns.shape[1]))
        indices = self._indices.of("int64", columns).T
        values = self._values.of(dtype, columns)
        matrix = torch.sparse_coo_tensor(indices, values, shape, check_invariants=False)
        return torch.sparse.mm(matrix, columns)

    def _jax(self, columns, dtype):
        import jax

        places, sources = self._indices.of("int32").T
        values = self._values.of(dtype)
        count = columns.shape[1]
        at_once = max(1, _TERMS_AT_ONCE // max(count, 1))
        result = 0.0
        for first in range(0, len(self.given), at_once):
            part = slice(first, first + at_once)
            terms = values[part, None] * columns[sources[part]]
            result = result + jax.ops.segment_sum(
                terms, places[part], self.pieces, indices_are_sorted=True
            )
        return result
