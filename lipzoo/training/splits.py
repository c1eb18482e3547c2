"""Splits of a data set, and how one is cut from another."""

from dataclasses import dataclass

import numpy as np

from lipzoo.evaluation.samples import stratified_order
from lipzoo.training.sources import DataError
from lipzoo_catalogue.numbers import parse_fraction


@dataclass(frozen=True)
class Split:
    """Examples `x` of shape `(n, ...)` as stored, and labels `y` of shape `(n,)` from 0.

    `origin` says where each example stands in its source, see `RawSplit`, or is `None`.
    """

    x: np.ndarray
    y: np.ndarray
    origin: np.ndarray | None = None

    def __len__(self):
        return len(self.y)

    def take(self, numbers: np.ndarray) -> "Split":
        """The examples of some numbers."""
        origin = None if self.origin is None else self.origin[numbers]
        return Split(self.x[numbers], self.y[numbers], origin)


def count_of(size: int | float | str, available: int, key: str) -> int:
    """Number of examples that a recipe's count or fraction stands for."""
    size = parse_fraction(size)
    count = int(size) if size >= 1 else int(size * available + 1e-9)
    if not 0 < count < available:
        raise DataError(
            f"[data] {key}: expected a count or a fraction that leaves examples on both sides of "
            f"{available}. Received: {size:g} ({count} examples)"
        )
    return count


def cut(split: Split, count: int, ordered: bool) -> tuple[Split, Split]:
    """Cuts the last `count` examples off, or the same share of every class if not `ordered`."""
    order = np.arange(len(split))
    if not ordered:
        order = stratified_order(split.y, np.random.default_rng(0))
    kept, taken = np.sort(order[:-count]), np.sort(order[-count:])
    return split.take(kept), split.take(taken)


def duplicates(splits: dict[str, Split]) -> list[str]:
    """Notes on examples that stand in two splits: they flatter the later one's numbers."""
    seen = {name: {row.tobytes() for row in split.x} for name, split in splits.items()}
    notes = []
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        count = sum(row.tobytes() in seen[first] for row in splits[second].x)
        if count:
            notes.append(f"{count} of the {second} examples also stand in {first}")
    return notes
