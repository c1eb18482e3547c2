"""Columns of numbers that grow on disk, one entry per example."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

# Rows that are in memory at a time, wherever columns are read.
ROWS = 65_536
_DIGIT = 16


class Columns:
    """Arrays of equal length on disk; only the rows that are written or asked for are in memory.

    Args:
        folder: an empty folder, in which each column becomes a file.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> columns = Columns(folder.name)
        >>> columns.append({"radius": np.array([0.3, 0.1])})
        >>> columns.append({"radius": np.array([0.2])})
        >>> len(columns), columns.read("radius", 1, 3).tolist()
        (3, [0.1, 0.2])
        >>> folder.cleanup()
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._empty: dict[str, np.ndarray] = {}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def __contains__(self, name: str) -> bool:
        return name in self._empty

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._empty)

    def append(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Adds rows.

        Args:
            arrays: the new rows of every column, with the types and the row shapes of the first.

        Raises:
            ValueError: if they do not have them.
            OSError: if the disk is full.
        """
        empty = {name: array[:0] for name, array in arrays.items()}
        if not self._empty:
            self._empty = empty
        known, new = (
            {name: (array.dtype.str, array.shape[1:]) for name, array in columns.items()}
            for columns in (self._empty, empty)
        )
        if known != new:
            raise ValueError(f"Expected columns {known}. Received: {new}")
        (rows,) = {len(array) for array in arrays.values()}
        for name, array in arrays.items():
            with open(self.folder / name, "ab") as file:
                file.write(np.ascontiguousarray(array).tobytes())
        self._rows += rows

    def read(self, name: str, first: int, stop: int) -> np.ndarray:
        """Rows `first` to `stop - 1` of a column."""
        empty = self._empty[name]
        width = int(np.prod(empty.shape[1:]))
        size = max(min(stop, self._rows) - first, 0) * width
        offset = first * width * empty.itemsize
        values = np.fromfile(self.folder / name, empty.dtype, size, offset=offset)
        return values.reshape(-1, *empty.shape[1:])

    def pieces(self) -> Iterator[tuple[int, int]]:
        """First row, and the one after the last, of pieces that fit into memory."""
        for first in range(0, self._rows, ROWS):
            yield first, min(first + ROWS, self._rows)

    def quantiles(self, name: str, shares) -> list[float]:
        """Quantiles of a column of float64 numbers of at least 0, `np.quantile`'s method "lower".

        The entry of rank `floor(share (n - 1))`, found digit by digit: the bits of such numbers,
        read as integers, are in the same order, so a histogram of the leading 16 bits tells those
        of the entry that is looked for, and so on. Four readings per quantile, in any order of the
        rows.

        Example: see `Columns`; `columns.quantiles("radius", [0.5])` is `[0.2]` there.
        """
        return [self._ranked(name, int(share * (self._rows - 1))) for share in shares]

    def _ranked(self, name, rank):
        known = 0
        for shift in range(64 - _DIGIT, -1, -_DIGIT):
            counts = np.zeros(2**_DIGIT, "int64")
            for first, stop in self.pieces():
                # Adding 0 makes -0 the 0 that it equals.
                bits = (self.read(name, first, stop) + 0.0).view("uint64") >> np.uint64(shift)
                inside = bits[bits >> np.uint64(_DIGIT) == known]
                digits = (inside & np.uint64(2**_DIGIT - 1)).astype("int64")
                counts += np.bincount(digits, minlength=2**_DIGIT)
            upto = np.cumsum(counts)
            digit = int(np.searchsorted(upto, rank, side="right"))
            rank -= int(upto[digit] - counts[digit])
            known = (known << _DIGIT) | digit
        return float(np.uint64(known).view("float64"))


@contextlib.contextmanager
def new_columns(out: Path | None) -> Iterator[Columns]:
    """Columns in a folder beside the file that they become, or where temporary files are."""
    where = None if out is None else out.absolute().parent
    name = "lipzoo-" if out is None else f".{out.name}."
    with tempfile.TemporaryDirectory(prefix=name, dir=where) as folder:
        yield Columns(folder)
