"""Columns of batches as engines have them."""

from collections.abc import Mapping
from typing import Any

import numpy as np


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
    """Every column of a batch but that of the examples, as an array."""
    return {str(name): np.asarray(batch[name]) for name in batch if name != x}
