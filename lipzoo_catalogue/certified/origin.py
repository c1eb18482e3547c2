"""Where examples come from in the file that a user gave, and which of it is left out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class LeftOut(NamedTuple):
    """A row of a table or a file of a folder that is no example.

    Args:
        position: number of the examples before it.
        origin: its row, or its file's name.
        reason: why it is left out.
    """

    position: int
    origin: int | str
    reason: str


def origin_name(origin: np.ndarray) -> str:
    """What origins are called in reports: `"row"` for numbers, `"file"` for names."""
    return "row" if origin.dtype.kind in "iu" else "file"


def between(left_out: Sequence[LeftOut], first: int, stop: int, last: bool) -> tuple[LeftOut, ...]:
    """What is left out between the examples `first` to `stop - 1`, as `slice` cuts a sequence.

    Args:
        left_out: see `LeftOut`.
        first: number of the first example.
        stop: number after the last one.
        last: whether no examples follow: what is left out behind them is then among them.

    Example:
        >>> rows = [LeftOut(0, 1, "no label"), LeftOut(2, 4, "no label")]
        >>> [entry.origin for entry in between(rows, 0, 2, last=False)]
        [1]
    """
    return tuple(e for e in left_out if first <= e.position < stop + last)


def counted(left_out: Sequence[LeftOut]) -> str:
    """How many rows or files are left out.

    Example:
        >>> counted([LeftOut(0, 1, "no label"), LeftOut(2, 4, "no label")])
        '2 rows'
    """
    what = "file" if left_out and isinstance(left_out[0].origin, str) else "row"
    return f"{len(left_out):,} {what}{'' if len(left_out) == 1 else 's'}"


def described(left_out: Sequence[LeftOut], shown: int = 5) -> str:
    """What is left out in words, for a line in print.

    Example:
        >>> described([LeftOut(0, 1, "no entry in column 'age'")])
        "row 1 (no entry in column 'age')"
    """
    texts = [
        f"{entry.origin if isinstance(entry.origin, str) else f'row {entry.origin}'} "
        f"({entry.reason})"
        for entry in left_out[:shown]
    ]
    more = len(left_out) - shown
    return ", ".join([*texts, *([f"{more:,} more"] if more > 0 else [])])
