"""How far a tensor can move in which direction, when the input moves by 1: an ellipsoid."""

from dataclasses import dataclass

import numpy as np

from lipzoo.bounds.semidefinite.affine import Affine
from lipzoo.bounds.semidefinite.verified import (
    absolute_norm,
    dominating_diagonal,
    inverse_above,
    largest_eigenvalue,
    raised,
)
from lipzoo.rounding import gamma, inflated, mul_up, sqrt_up, unit_roundoff

_UNIT = unit_roundoff("float64")


@dataclass(frozen=True)
class Ellipsoid:
    """The proven statement `(v . d)^2 <= v^T P v |x - x'|^2` for every v and every pair x, x'.

    d is the difference of the tensor at x and at x', flattened. P is symmetric and positive
    semi-definite: a matrix, or a number times the identity.

    Attributes:
        size: number of entries of the tensor.
        shape: P, an array `(size, size)` or a float.
    """

    size: int
    shape: np.ndarray | float

    @classmethod
    def ball(cls, size: int, bound: float) -> "Ellipsoid":
        """What a Lipschitz bound alone says."""
        return cls(size, mul_up(bound, bound))

    def bound(self) -> float:
        """The Lipschitz bound that follows: the root of the largest eigenvalue of P."""
        if isinstance(self.shape, float):
            return sqrt_up(self.shape)
        return sqrt_up(largest_eigenvalue(self.shape))

    def along(self, directions: np.ndarray) -> np.ndarray:
        """Upper bounds of `sqrt(v^T P v)`, how far `v . d` can move, for the columns v."""
        if isinstance(self.shape, float):
            squares = self.shape * np.square(directions).sum(axis=0)
            return inflated(np.sqrt(squares), operations=len(directions) + 3)
        size = np.abs(directions)
        squares = np.einsum("ij,ij->j", directions, self.shape @ directions)
        # Of two sums of products over all entries.
        error = gamma(2 * self.size + 2, "float64") * (size * (np.abs(self.shape) @ size)).sum(0)
        error = inflated(error, operations=2 * self.size + 4)
        return inflated(np.sqrt(np.maximum(squares, 0.0) + error), operations=3)

    def through_affine(self, operator: Affine) -> "Ellipsoid":
        """After `x -> W x + b`: `W P W^T`, and what its evaluation may err by.

        With w the norm of |W|, p that of |P|, k summands each, the two products err in norm by at
        most `gamma(2k) w^2 p`, entries of W that are themselves off by r roundings by 2r more.
        """
        operations = 2 * operator.summands + 2 * operator.roundings + 6
        if isinstance(self.shape, float):
            product, weight = operator.gram() * self.shape, self.shape
            operations += operator.columns_at_once()[1]
        else:
            product = operator.times(operator.times(self.shape).T)
            weight = absolute_norm(self.shape)
        error = mul_up(gamma(operations, "float64"), operator.absolute_norm**2 * (1 + 1e-15))
        return Ellipsoid(operator.outputs, raised((product + product.T) / 2, mul_up(error, weight)))

    def scaled(self, factor: float) -> "Ellipsoid":
        """After multiplication by numbers of absolute value at most `factor`, alike for all."""
        square = mul_up(factor, factor)
        if isinstance(self.shape, float):
            return Ellipsoid(self.size, mul_up(self.shape, square))
        product = self.shape * square
        error = mul_up(2 * _UNIT, absolute_norm(product))
        return Ellipsoid(self.size, raised(product, error))

    def through_activation(self, lower: float, upper: float, power: float = 0.0) -> "Ellipsoid":
        """After a function of every entry with slopes in `[lower, upper]`.

        For slopes in [0, 1] and a diagonal T above P: `T (2T - P)^-1 T`. Proof: the differences d
        before and e after have `e_i (d_i - e_i) >= 0`, so with `L = T^-1` and, P being regular,

            |x - x'|^2 >= d^T P^-1 d >= d^T P^-1 d - 2 e^T L (d - e) >= e^T (2L - L P L) e,

        the last by minimising over d; `2L - L P L` has the inverse `T (2T - P)^-1 T`, which is not
        above T. A singular P is the limit of regular ones. Slopes in `[lower, upper]`, lower >= 0,
        are those of a function of `upper d`; otherwise `T max(|lower|, |upper|)^2`, since
        `e_i^2 <= s^2 d_i^2`. (The recursion is that of arXiv 2510.05261, in terms of inverses.)

        Args:
            lower, upper: the slopes.
            power: T is a multiple of `diag(P)^power`.

        Raises:
            Unverified: where a proof fails.
        """
        steepest = max(abs(lower), abs(upper))
        if isinstance(self.shape, float):
            return self.scaled(steepest)
        shape = self.scaled(steepest).shape
        entries = np.maximum(np.diag(shape), 1e-12 * float(np.diag(shape).max()))
        if not entries.any():
            return Ellipsoid(self.size, 0.0)
        above = dominating_diagonal(shape, entries**power)
        if lower < 0:
            return Ellipsoid(self.size, np.diag(above))
        double = 2.0 * above
        # The difference rounds the diagonal.
        inverse, error = inverse_above(np.diag(double) - shape, mul_up(_UNIT, float(double.max())))
        result = np.outer(above, above) * inverse
        rounded = mul_up(3 * _UNIT, absolute_norm(result))
        return Ellipsoid(self.size, raised(result, inflated(error * above**2 + rounded, 4)))

    def plus(self, other: "Ellipsoid", own: float, others: float) -> "Ellipsoid":
        """Of the sum of two tensors of bounds `own` and `others`: `(1 + t) P + (1 + 1/t) Q`."""
        if own == 0.0 or others == 0.0:
            return self if others == 0.0 else other
        ratio = others / own
        if isinstance(self.shape, float) and isinstance(other.shape, float):
            return Ellipsoid(self.size, inflated((own + others) ** 2, operations=4))
        first, second = (
            np.eye(self.size) * part.shape if isinstance(part.shape, float) else part.shape
            for part in (self, other)
        )
        total = first * (1.0 + ratio) + second * (1.0 + 1.0 / ratio)
        # (1 + t)(1 + 1/t) is 2 + t + 1/t within a few roundings, which the room covers.
        error = gamma(12, "float64") * (absolute_norm(first) * (1 + ratio)) + gamma(
            12, "float64"
        ) * (absolute_norm(second) * (1 + 1 / ratio))
        return Ellipsoid(self.size, raised(total, inflated(error, operations=8)))
