"""Columns of batches as engines have them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

# What a certifier adds to a batch.
ANSWERS = ("prediction", "radius", "rival", "fingerprint")


def example_array(column: Any, name: str) -> np.ndarray:
    """Examples as one array; engines have rows that are arrays or lists of one shape.

    Raises:
        ValueError: for rows of several shapes.

    Example:
        >>> rows = np.empty(2, object)
        >>> rows[:] = [np.zeros((2, 3)), np.ones((2, 3))]
        >>> example_array(rows, "x").shape
        (2, 2, 3)
    """
    array = column if isinstance(column, np.ndarray) else None
    if array is None or array.dtype == object:
        try:
            rows = [np.asarray(row) for row in column]
            array = np.stack(rows) if rows else np.empty(0)
        except ValueError as error:
            raise ValueError(
                f"Expected examples of one shape in column {name!r}. Received: {error}"
            ) from None
    return array


def hand_on(batch: Mapping[str, Any], x: str) -> dict[str, np.ndarray]:
    """Every column of a batch but that of the examples, as an array of its own.

    Copied, since a loader may fill the same memory with the next batch.

    Raises:
        ValueError: for a column that has the name of an answer.
    """
    answers = sorted(set(map(str, batch)) & set(ANSWERS) - {x})
    if answers:
        raise ValueError(
            f"Expected columns with other names than those of the answers, {', '.join(ANSWERS)}. "
            f"Received: a batch with a column {answers[0]!r}; rename it"
        )
    return {str(name): np.array(batch[name]) for name in batch if name != x}
