"""How far a tensor can move in which direction, when the input moves by 1: balls and ellipsoids."""

from dataclasses import dataclass
from functools import cached_property

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


def affine_error(operator: Affine, weight: float, additions: int) -> float:
    """What `W P W^T` may err by in norm, p = `weight` being the norm of |P|.

    With w the norm of |W| and k summands an entry, two products err by at most `gamma(2k) w^2 p`;
    weights that are off by r roundings themselves count 2r more, later sums `additions`.
    """
    operations = 2 * operator.summands + 2 * operator.roundings + additions
    norm = operator.absolute_norm
    return mul_up(gamma(operations, "float64"), norm, norm, weight)


@dataclass(frozen=True)
class Ball:
    """The statement of an `Ellipsoid` with `P = square I`: what a Lipschitz bound alone says.

    Attributes:
        size: number of entries of the tensor.
        square: the square of the bound.
    """

    size: int
    square: float

    @classmethod
    def of(cls, size: int, bound: float) -> "Ball":
        """The ball of a Lipschitz bound."""
        return cls(size, mul_up(bound, bound))

    def bound(self) -> float:
        """The Lipschitz bound."""
        return sqrt_up(self.square)

    def along(self, directions: np.ndarray) -> np.ndarray:
        """See `Ellipsoid.along`."""
        squares = self.square * np.square(directions).sum(axis=0)
        return inflated(np.sqrt(squares), operations=len(directions) + 3)

    def through_affine(self, operator: Affine) -> "Ellipsoid":
        """After `x -> W x + b`: `square W W^T`, and what its evaluation may err by."""
        product = operator.gram() * self.square
        error = affine_error(operator, self.square, operator.columns_at_once()[1] + 6)
        return Ellipsoid(operator.outputs, raised((product + product.T) / 2, error))

    def through_activation(self, lower: float, upper: float, power: float = 0.0) -> "Ball":
        """After a function of every entry with slopes in `[lower, upper]`."""
        del power
        steepest = max(abs(lower), abs(upper))
        return Ball(self.size, mul_up(self.square, steepest, steepest))

    def matrix(self) -> np.ndarray:
        """P."""
        return np.diag(np.full(self.size, self.square))


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """The proven statement `(v . d)^2 <= v^T P v |x - x'|^2` for every v and every pair x, x'.

    d is the difference of the tensor at x and at x', flattened. P is symmetric and positive
    semi-definite.

    Attributes:
        size: number of entries of the tensor.
        shape: P, an array `(size, size)`.
    """

    size: int
    shape: np.ndarray

    @cached_property
    def largest(self) -> float:
        """Upper bound of the largest eigenvalue of P."""
        return largest_eigenvalue(self.shape)

    def bound(self) -> float:
        """The Lipschitz bound that follows: the root of the largest eigenvalue of P."""
        return sqrt_up(self.largest)

    def along(self, directions: np.ndarray) -> np.ndarray:
        """Upper bounds of `sqrt(v^T P v)`, how far `v . d` can move, for the columns v."""
        size = np.abs(directions)
        squares = np.einsum("ij,ij->j", directions, self.shape @ directions)
        # Of two sums of products over all entries.
        error = gamma(2 * self.size + 2, "float64") * (size * (np.abs(self.shape) @ size)).sum(0)
        error = inflated(error, operations=2 * self.size + 4)
        return inflated(np.sqrt(np.maximum(squares, 0.0) + error), operations=3)

    def through_affine(self, operator: Affine) -> "Ellipsoid":
        """After `x -> W x + b`: `W P W^T`, and what its evaluation may err by."""
        product = operator.times(operator.times(self.shape).T)
        error = affine_error(operator, absolute_norm(self.shape), 6)
        return Ellipsoid(operator.outputs, raised((product + product.T) / 2, error))

    def scaled(self, factor: float) -> "Ellipsoid":
        """After multiplication by numbers of absolute value at most `factor`, alike for all."""
        if factor == 1.0:
            return self
        product = self.shape * mul_up(factor, factor)
        return Ellipsoid(self.size, raised(product, mul_up(2 * _UNIT, absolute_norm(product))))

    def through_activation(
        self, lower: float, upper: float, power: float = 0.0
    ) -> "Ball | Ellipsoid":
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
        before = self.scaled(steepest)
        entries = np.maximum(np.diag(before.shape), 1e-12 * float(np.diag(before.shape).max()))
        if not entries.any():
            return Ball(self.size, 0.0)
        if power == 0.0:
            above = np.full(self.size, before.largest)
        else:
            above = dominating_diagonal(before.shape, entries**power)
        if lower < 0:
            return Ellipsoid(self.size, np.diag(above))
        double = 2.0 * above
        # The difference rounds the diagonal.
        error = mul_up(_UNIT, float(double.max()))
        inverse, error = inverse_above(np.diag(double) - before.shape, error)
        result = np.outer(above, above) * inverse
        rounded = mul_up(3 * _UNIT, absolute_norm(result))
        return Ellipsoid(self.size, raised(result, inflated(error * above**2 + rounded, 4)))

    def matrix(self) -> np.ndarray:
        """P."""
        return self.shape


def summed(first: Ball | Ellipsoid, second: Ball | Ellipsoid) -> Ball | Ellipsoid:
    """Of the sum of two tensors: `(1 + t) P + (1 + 1/t) Q`, t the ratio of their bounds."""
    bounds = first.bound(), second.bound()
    if 0.0 in bounds:
        return first if bounds[1] == 0.0 else second
    if isinstance(first, Ball) and isinstance(second, Ball):
        return Ball(first.size, float(inflated((bounds[0] + bounds[1]) ** 2, operations=4)))
    ratio = bounds[1] / bounds[0]
    parts = first.matrix() * (1.0 + ratio), second.matrix() * (1.0 + 1.0 / ratio)
    # (1 + t)(1 + 1/t) is 2 + t + 1/t within a few roundings, which the room covers.
    sizes = absolute_norm(parts[0]) + absolute_norm(parts[1])
    error = float(inflated(gamma(12, "float64") * sizes, operations=4))
    return Ellipsoid(first.size, raised(parts[0] + parts[1], error))
