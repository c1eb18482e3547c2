"""Ellipsoids of tensors with many entries that one wide layer makes of few: kept as factors.

Behind a convolution of a small image are often more entries than a matrix can have a side of. Its
ellipsoid `s W W^T` has the rank of the image, and so has what an activation adds to a ball:

    T (2T - s W W^T)^-1 T = t/2 (I + s W (2t I - s W^T W)^-1 W^T),      T = t I,

by Woodbury's identity. The matrices that are inverted have the image's side.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lipzoo.bounds.semidefinite.affine import Affine
from lipzoo.bounds.semidefinite.ellipsoid import Ball, Ellipsoid, affine_error
from lipzoo.bounds.semidefinite.verified import (
    absolute_norm,
    inverse_above,
    largest_eigenvalue,
    raised,
)
from lipzoo.rounding import add_up, gamma, inflated, mul_up, sqrt_up, unit_roundoff

_UNIT = unit_roundoff("float64")
# Most entries of W, written out.
LARGEST_MATRIX = 2**25


@dataclass(frozen=True)
class Image:
    """The ellipsoid `s W W^T` of an affine layer's output, its input moving in a ball.

    Attributes:
        operator: W.
        scale: s.
    """

    operator: Affine
    scale: float

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.operator.outputs

    @cached_property
    def columns(self) -> np.ndarray:
        """W, whose entries are weights as they are."""
        return self.operator.times(np.eye(self.operator.inputs))

    @cached_property
    def gram(self) -> np.ndarray:
        """`W^T W`, and what its evaluation may err by on the diagonal: never below."""
        product = self.columns.T @ self.columns
        terms = 2 * self.operator.outputs + 2 * self.operator.roundings + 6
        error = mul_up(gamma(terms, "float64"), inflated(self.operator.absolute_norm**2, 1))
        return raised((product + product.T) / 2, error)

    @cached_property
    def largest(self) -> float:
        """Upper bound of the largest eigenvalue of `s W W^T`."""
        return mul_up(self.scale, largest_eigenvalue(self.gram))

    def bound(self) -> float:
        """The Lipschitz bound that follows."""
        return sqrt_up(self.largest)

    def through_affine(self, operator: Affine) -> Ellipsoid | None:
        """`None`: nothing better than a ball is known of two affine layers one after the other."""
        del operator
        return None

    def through_activation(
        self, lower: float, upper: float, power: float = 0.0
    ) -> "Ball | Activated":
        """See `Ellipsoid.through_activation`; T is a multiple of the identity, whatever `power`.

        Raises:
            Unverified: where a proof fails.
        """
        del power
        steepest = max(abs(lower), abs(upper))
        scale = mul_up(self.scale, steepest, steepest)
        # What is known of W stays known where the slopes do not change s.
        image = self if scale == self.scale else Image(self.operator, scale)
        gram, above = image.gram, image.largest
        if lower < 0 or above == 0.0:
            return Ball(self.size, above)
        # 2t I - s W^T W, with a rounding of every entry and one of the diagonal.
        difference = np.diag(np.full(len(gram), 2.0 * above)) - scale * gram
        error = mul_up(4 * _UNIT, add_up(2.0 * above, mul_up(scale, absolute_norm(gram))))
        inverse, rest = inverse_above(difference, error)
        return Activated(image, above, raised(inverse, rest))


@dataclass(frozen=True)
class Activated:
    """The ellipsoid `t/2 (I + s W X W^T)` behind an activation.

    Attributes:
        image: `s W W^T` before it, for slopes of at most 1.
        above: t, with `t I` above that.
        inverse: X, above `(2t I - s W^T W)^-1`.
    """

    image: Image
    above: float
    inverse: np.ndarray

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.image.size

    def bound(self) -> float:
        """The Lipschitz bound that follows: the ellipsoid is not above `t I`."""
        return sqrt_up(self.above)

    def through_activation(self, lower: float, upper: float, power: float = 0.0) -> Ball:
        """A ball: of two activations one after the other no more is known."""
        del power
        steepest = max(abs(lower), abs(upper))
        return Ball(self.size, mul_up(self.above, steepest, steepest))

    def through_affine(self, operator: Affine) -> Ellipsoid:
        """After `x -> Q x + b`: `t/2 (Q Q^T + s (Q W) X (Q W)^T)`.

        The products have at most k, the layer's summands, and n, the image's side, terms; they err
        in norm by at most `gamma(2k + 2n + 2r) (q w)^2 x`, with the norms q, w, x of the absolute
        values of Q, W and X and r roundings of the weights.
        """
        columns = operator.times(self.image.columns)
        product = columns @ (self.inverse * self.image.scale) @ columns.T
        total = (operator.gram() + (product + product.T) / 2) * (self.above / 2.0)
        wide = self.image.operator
        weight = mul_up(wide.absolute_norm, wide.absolute_norm, self.image.scale)
        weight = mul_up(add_up(1.0, mul_up(weight, absolute_norm(self.inverse))), self.above)
        additions = 2 * (wide.inputs + wide.roundings) + operator.columns_at_once()[1] + 16
        error = affine_error(operator, weight, additions)
        return Ellipsoid(operator.outputs, raised(total, error))
