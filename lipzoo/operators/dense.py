"""The linear operator of a dense layer."""

import functools
import math

from keras import ops

from lipzoo.operators.base import BoundedOperator
from lipzoo.operators.summation import Summation
from lipzoo.spectral import absolute_norm_bound, dense_norm_bound


class DenseOperator(BoundedOperator):
    """`A: x ↦ Kᵀx` on the last axis, at every position of the other ones.

    Args:
        kernel: K, of shape `(features, units)`; a tensor, or an array where bounds are asked for.
        positions: sizes of the axes between batch and features, `None` where not known.
    """

    derivation = "Gram eigenvalue"

    def __init__(self, kernel, positions=()):
        self._kernel = kernel
        self._positions = math.prod(math.inf if size is None else size for size in positions)

    def apply(self, x):
        return ops.matmul(x, self._kernel)

    def adjoint(self, y):
        return ops.matmul(y, ops.transpose(self._kernel))

    @functools.cached_property
    def norm_bound(self) -> float:
        return dense_norm_bound(self._kernel)

    @functools.cached_property
    def summation(self) -> Summation:
        """What the rounding of products follows from."""
        features, units = self._kernel.shape
        return Summation(
            norm=self.norm_bound,
            absolute_norm=absolute_norm_bound(self._kernel),
            fan_in=features,
            fan_out=units,
            inputs=self._positions * features,
            outputs=self._positions * units,
        )

    def rounding(self, dtype):
        return self.summation.rounding(dtype)
