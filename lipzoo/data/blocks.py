"""Arrays that are stored in blocks of rows, of which one is in memory at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np


class StoredBlocks:
    """An array of which only the rows that are asked for, and the block around them, are in memory.

    Args:
        path: where it is stored, for messages.
        shape: its shape.
        dtype: its type.
        starts: number of the first row of every block, ascending from 0.
        read: the rows of the block of a number.

    Example:
        >>> array = StoredBlocks("x", (5,), np.dtype(int), [0, 3], lambda i: [[7, 8, 9], [5, 6]][i])
        >>> array[1:4].tolist()
        [8, 9, 5]
    """

    def __init__(
        self,
        path: str | Path,
        shape: tuple[int, ...],
        dtype: np.dtype,
        starts: Sequence[int],
        read: Callable[[int], np.ndarray],
    ):
        self.path, self.shape, self.dtype = path, shape, dtype
        self._starts, self._read = [*starts, shape[0]], read
        self._block: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, stop, _ = rows.indices(len(self))
        pieces = [np.empty((0, *self.shape[1:]), self.dtype)]
        number = int(np.searchsorted(self._starts, first, side="right")) - 1
        while first < stop:
            start, end = self._starts[number : number + 2]
            until = min(stop, end)
            pieces.append(self._read_block(number)[first - start : until - start])
            first, number = until, number + 1
        return np.concatenate(pieces)

    def _read_block(self, number: int) -> np.ndarray:
        if self._block is None or self._block[0] != number:
            # The one before is dropped first.
            self._block = None
            self._block = (number, np.asarray(self._read(number)))
        return self._block[1]
