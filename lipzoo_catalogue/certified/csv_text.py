"""Cells of a CSV file; where a column has few values, each is written out once."""

import csv
import io
import re
from collections.abc import Callable

import numpy as np

# What never needs quotes.
_PLAIN = re.compile(r"[\w./-]+")


def cell(value: object) -> str:
    """A cell as Python's `csv` writes it: in quotes where it has to be.

    Example:
        >>> cell("a,b"), cell(3), cell("")
        ('"a,b"', '3', '')
    """
    if _PLAIN.fullmatch(plain := str(value)):
        return plain
    text = io.StringIO()
    # A row of one empty cell alone would be in quotes.
    csv.writer(text, lineterminator="\n").writerow([value, ""])
    return text.getvalue().removesuffix(",\n")


def few_texts(values: np.ndarray, text: Callable[[int], str]) -> list[str]:
    """The cells of a column of whole numbers or truth values (1 and 0), of which few differ.

    Args:
        values: the numbers.
        text: what is written for a number.

    Example:
        >>> few_texts(np.array([2, 0, 2]), "abc".__getitem__)
        ['c', 'a', 'c']
    """
    numbers = np.asarray(values, "int64")
    if not len(numbers):
        return []
    low, high = int(numbers.min()), int(numbers.max())
    if high - low > 2**16:
        return [cell(text(number)) for number in numbers.tolist()]
    known = np.empty(high - low + 1, object)
    for number in np.flatnonzero(np.bincount(numbers - low)).tolist():
        known[number] = cell(text(number + low))
    return known[numbers - low].tolist()
