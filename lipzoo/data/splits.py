"""Splits of a data set, and how one is cut from another."""

import hashlib
from dataclasses import dataclass

import numpy as np

from lipzoo.data.sources import DataError
from lipzoo.data.stratification import stratified_order
from lipzoo_catalogue.formatting import parse_fraction


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


def cut(split: Split, count: int, ordered: bool, by_content=False) -> tuple[Split, Split]:
    """Cuts `count` examples off.

    Args:
        split: the examples.
        count: how many.
        ordered: whether the last ones are cut off, instead of the same share of every class.
        by_content: cut off those with the largest digests, whatever the order of the examples.

    Example:

    >>> split = Split(np.arange(6.0)[:, None], np.arange(6))
    >>> other = split.take(np.array([5, 3, 1, 0, 2, 4]))
    >>> _, first = cut(split, 2, ordered=True, by_content=True)
    >>> _, second = cut(other, 2, ordered=True, by_content=True)
    >>> set(first.y) == set(second.y), len(first)
    (True, 2)
    """
    if by_content:
        digests = row_digests(split.x)
        order = np.array(sorted(range(len(split)), key=digests.__getitem__))
    elif ordered:
        order = np.arange(len(split))
    else:
        order = stratified_order(split.y, np.random.default_rng(0))
    kept, taken = np.sort(order[:-count]), np.sort(order[-count:])
    return split.take(kept), split.take(taken)


def duplicates(splits: dict[str, Split]) -> list[str]:
    """Notes on examples that stand in two splits: they flatter the later one's numbers."""
    rows = {name: row_digests(split.x) for name, split in splits.items()}
    notes = []
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        known = set(rows[first])
        count = sum(row in known for row in rows[second])
        if count:
            notes.append(f"{count} of the {second} examples also stand in {first}")
    return notes


def seen(split: Split, *earlier: Split) -> np.ndarray:
    """Which examples of a split, number for number, also stand in an earlier one.

    Returns:
        Booleans of shape `(examples,)`.

    Example:

    >>> train = Split(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0, 1]))
    >>> test = Split(np.array([[3.0, 4.0], [3.0, 5.0]]), np.array([1, 1]))
    >>> seen(test, train).tolist()
    [True, False]
    """
    known = {row for other in earlier for row in row_digests(other.x)}
    return np.array([row in known for row in row_digests(split.x)], dtype=bool)


def row_digests(x: np.ndarray) -> list[bytes]:
    """A digest of the numbers of each example; 0.0 and -0.0 are one number."""
    if x.dtype.kind == "f":
        x = x + np.zeros((), x.dtype)
    x = np.ascontiguousarray(x)
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in x]
