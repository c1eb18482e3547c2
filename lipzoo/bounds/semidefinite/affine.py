"""Affine layers as what they do to a vector: which entries they gather, and with which weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lipzoo.rounding import inflated

# Numbers that are gathered at a time.
_CHUNK = 2**24


@dataclass(frozen=True)
class Part:
    """Outputs `y[targets[p, f]] = sum_k kernel[k, f] x[sources[p, k]]`; source -1 is a zero.

    Attributes:
        sources: `(positions, summands)`.
        kernel: `(summands, filters)`.
        targets: `(positions, filters)`.
    """

    sources: np.ndarray
    kernel: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Affine:
    """The linear part W of an affine layer.

    Attributes:
        inputs, outputs: numbers of entries.
        parts: of disjoint targets.
        roundings: by how many roundings, in float64, the weights may be off.
        summands: most products in an output.
        absolute_norm: upper bound of the norm of |W|: the root of largest row and column sums.
    """

    inputs: int
    outputs: int
    parts: Sequence[Part]
    roundings: int = 0
    summands: int = field(init=False)
    absolute_norm: float = field(init=False)

    def __post_init__(self):
        rows, columns = np.zeros(self.outputs), np.zeros(self.inputs + 1)
        for part in self.parts:
            weights = np.abs(part.kernel)
            present = (part.sources >= 0).astype("float64")
            rows[part.targets] = present @ weights
            taken = np.broadcast_to(weights.sum(axis=1), part.sources.shape)
            # The last number collects what is taken from outside.
            places = part.sources.ravel() % len(columns)
            columns += np.bincount(places, taken.ravel(), minlength=len(columns))
        summands = max((part.sources.shape[1] for part in self.parts), default=1)
        # Of no column more sums than there are outputs.
        room = summands + self.outputs + self.roundings + 4
        norm = math.sqrt(rows.max(initial=0.0) * columns[:-1].max(initial=0.0))
        object.__setattr__(self, "summands", summands)
        object.__setattr__(self, "absolute_norm", float(inflated(norm, operations=room)))

    @property
    def entries(self) -> int:
        """Number of entries of W, written out."""
        return self.inputs * self.outputs

    @property
    def is_identity(self) -> bool:
        """Whether W leaves every entry where it is."""
        if self.inputs != self.outputs or len(self.parts) != 1:
            return False
        (part,) = self.parts
        same = part.sources.shape[1] == 1 and np.array_equal(part.sources, part.targets)
        return same and part.kernel.shape == (1, 1) and part.kernel[0, 0] == 1.0

    def times(self, matrix: np.ndarray) -> np.ndarray:
        """W times a matrix with `inputs` rows."""
        padded = np.concatenate([matrix, np.zeros((1, matrix.shape[1]))])
        result = np.zeros((self.outputs, matrix.shape[1]))
        for part in self.parts:
            positions, summands = part.sources.shape
            step = max(1, _CHUNK // max(1, summands * matrix.shape[1]))
            for start in range(0, positions, step):
                sources = part.sources[start : start + step].T
                gathered = padded[sources].reshape(summands, -1)
                products = (part.kernel.T @ gathered).reshape(-1, sources.shape[1], matrix.shape[1])
                result[part.targets[start : start + step].T] = products
        return result

    def columns_at_once(self) -> tuple[int, int]:
        """How many columns of W `gram` takes at a time, and how often."""
        step = max(1, min(self.inputs, _CHUNK // max(1, self.outputs)))
        return step, -(-self.inputs // step)

    def gram(self) -> np.ndarray:
        """`W W^T`, summed up over blocks of columns."""
        total = np.zeros((self.outputs, self.outputs))
        step, _ = self.columns_at_once()
        for start in range(0, self.inputs, step):
            unit = np.eye(self.inputs, min(step, self.inputs - start), -start)
            columns = self.times(unit)
            total += columns @ columns.T
        return total
