"""The box that inputs may be known to lie in, and what follows for a tensor."""

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lipzoo.rounding import Interval, hypot_up, norm_up


@dataclass(frozen=True, eq=False)
class Range:
    """Where the entries of a tensor lie while the model's inputs stay in their box.

    Attributes:
        values: intervals of the exact entries of one example. As many axes as an example has; along
            an axis of size 1 one interval may hold for all of the tensor's entries.
        input_norm: upper bound of the norm of all inputs together in the box.
        norm: upper bound of the tensor's own.
    """

    values: Interval
    input_norm: float
    norm: float = math.inf

    def with_rank(self, rank: int) -> "Range":
        """The same with a last axis of size 1 more or less, as Keras hands tensors to models."""
        if self.values.rank == rank + 1:
            return replace(self, values=self.values.mapped(lambda array: array[..., 0]))
        if self.values.rank == rank - 1:
            return replace(self, values=self.values.mapped(lambda array: array[..., None]))
        return self


@dataclass(frozen=True, eq=False)
class Domain:
    """A box `low <= x <= high`, entry by entry, that a statement about a model is restricted to.

    Attributes:
        low, high: numbers, or arrays that broadcast to an example, float64.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, domain: Any, model) -> "Domain":
        """The box that a caller means.

        Args:
            domain: a pair `(low, high)` of numbers, or of arrays for a model with one input; or a
                `Domain`.
            model: the graph, whose inputs the box has to fit.

        Raises:
            ValueError: if it is no such pair, a number is not finite, low is above high, or arrays
                do not fit.
        """
        low, high = (domain.low, domain.high) if isinstance(domain, cls) else _pair(domain)
        for array in (low, high):
            for tensor in model.inputs:
                sizes = tuple(tensor.shape[1:])
                trailing = sizes[len(sizes) - array.ndim :]
                fits = array.ndim <= len(sizes) and all(
                    own in (1, size) for own, size in zip(array.shape, trailing, strict=True)
                )
                if not fits or (array.ndim and len(model.inputs) > 1):
                    raise ValueError(
                        "Expected domain=(low, high) with numbers, or with arrays that broadcast to"
                        f" an example of the model's only input. Received: an array of shape "
                        f"{array.shape} for inputs of shape {sizes}"
                    )
        return cls(low, high)

    def ranges(self, shapes) -> list[Range]:
        """The ranges of the inputs.

        Args:
            shapes: of the inputs, with the batch axis; sizes may be unknown.
        """
        values = Interval.between(self.low, self.high)
        sizes = [shape[1:] for shape in shapes]
        norm = hypot_up(*(_norm(values.largest(), each) for each in sizes))
        return [Range(_of_rank(values, len(each)), norm, norm) for each in sizes]

    def contains(self, array: np.ndarray) -> np.ndarray:
        """Per example, whether all of its entries lie in the box."""
        inside = np.asarray((array >= self.low) & (array <= self.high))
        return np.all(inside.reshape(len(array), -1), axis=1)

    def __str__(self) -> str:
        """As text that tells boxes apart."""
        text = f"[{_digits(self.low.min())}, {_digits(self.high.max())}]"
        if not self.low.ndim and not self.high.ndim:
            return text
        content = [(array.shape, array.tolist()) for array in (self.low, self.high)]
        return f"a box in {text} ({hashlib.sha256(repr(content).encode()).hexdigest()[:8]})"


def _digits(number: np.ndarray) -> str:
    return f"{float(number):.17g}" if float(f"{float(number):g}") != number else f"{number:g}"


def _of_rank(values: Interval, rank: int) -> Interval:
    return values.mapped(lambda array: array.reshape((1,) * (rank - array.ndim) + array.shape))


def _pair(domain) -> tuple[np.ndarray, np.ndarray]:
    try:
        low, high = (np.asarray(end, "float64") for end in domain)
        valid = bool(np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all())
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            "Expected domain to be a pair (low, high) of finite numbers or arrays, low at most "
            f"high. Received: domain={domain!r}"
        )
    return low, high


def _norm(largest: np.ndarray, sizes) -> float:
    if any(size is None for size in sizes):
        return 0.0 if not largest.any() else math.inf
    return norm_up(np.broadcast_to(largest, sizes))
