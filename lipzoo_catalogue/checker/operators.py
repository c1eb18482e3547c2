"""The linear operators inside layers: enclosures of their norms, and what they do to a vector."""

import functools
import math
from collections.abc import Sequence

import numpy as np

from lipzoo_catalogue.checker.convolutions import (
    ZeroPaddedConvolution,
    same_margins,
    torus_norm,
    written_down,
)
from lipzoo_catalogue.checker.singular import singular_values

_UNIT = 2.0**-53
# A convolution is written down as a matrix up to this size.
_LARGEST_SIDE, _LARGEST_SIZE = 1024, 2**23


class MatrixOperator:
    """A linear map that is written down, of which nothing but rounding is unknown.

    Args:
        matrix: array `(outputs, inputs)`.
        how: how its norm is found, in a few words.

    Attributes:
        norm: encloses ‖A‖.
        top: a direction that A stretches nearly as far as any.
        error: bound on `‖fl(A x) - A x‖ / ‖x‖`.
    """

    def __init__(self, matrix: np.ndarray, how: str = "singular values of the matrix"):
        self.matrix, self.how = matrix, how
        values = singular_values(matrix)
        self.norm, self.top = values.largest, values.right[0]
        terms = matrix.shape[1] + 2
        self.error = 1.001 * terms * _UNIT / (1 - terms * _UNIT) * math.sqrt(np.sum(matrix**2))

    @property
    def at_least(self) -> float:
        """Proven lower bound of ‖A‖."""
        return self.norm.low

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Returns `A x`."""
        return self.matrix @ x


class TorusOperator:
    """A zero-padded convolution too large to be written down; see `convolutions.torus_norm`.

    Args:
        kernel: float64 array `(*taps, channels, filters)`.
        spatial: size of the map along each axis.

    Attributes:
        norm: encloses the norm of the convolution on the torus, an upper bound of ‖A‖.
        error: bound on `‖fl(A x) - A x‖ / ‖x‖`.
    """

    matrix = None

    def __init__(self, kernel: np.ndarray, spatial: Sequence[int]):
        self._convolution = ZeroPaddedConvolution(kernel, spatial)
        sizes = [
            n + max(margin) for n, margin in zip(spatial, self._convolution.margins, strict=True)
        ]
        self.norm = torus_norm(kernel, sizes)
        self.how = f"singular values at the frequencies of a {'×'.join(map(str, sizes))} torus"
        self.error = self._convolution.error()
        self.apply = self._convolution.apply

    @functools.cached_property
    def top(self) -> np.ndarray:
        """A direction that A stretches nearly as far as any."""
        return self._convolution.top()

    @functools.cached_property
    def at_least(self) -> float:
        """Proven lower bound of ‖A‖: how far it stretches `top`."""
        stretched = math.sqrt(np.sum(self.apply(self.top) ** 2) / np.sum(self.top**2))
        # The quotient of two sums of at most 2²⁴ squares errs by less than 1e-8 of itself.
        return min(max(0.0, stretched * (1 - 1e-8) - self.error), self.norm.high)


Operator = MatrixOperator | TorusOperator


def patch_operator(kernel: np.ndarray) -> Operator:
    """A dense layer, or a convolution whose stride is its kernel size.

    The patches are disjoint and together the whole map, so the operator is block-diagonal with the
    kernel's matrix in every block, and has its norm; a cyclic shift before it is an isometry.

    Args:
        kernel: float64 array `(*taps, channels, filters)`.
    """
    return MatrixOperator(kernel.reshape(-1, kernel.shape[-1]).T)


def convolution_operator(kernel: np.ndarray, spatial: Sequence[int]) -> Operator:
    """A convolution with stride 1 and zeros around the map ("same" padding).

    Args:
        kernel: float64 array `(*taps, channels, filters)`.
        spatial: size of the map along each axis.
    """
    sides = [math.prod(spatial) * channels for channels in kernel.shape[-2:]]
    if min(sides) > _LARGEST_SIDE or math.prod(sides) > _LARGEST_SIZE:
        return TorusOperator(kernel, spatial)
    margins = [same_margins(size) for size in kernel.shape[:-2]]
    how = "singular values of the convolution, written down"
    return MatrixOperator(written_down(kernel, spatial, margins), how)
