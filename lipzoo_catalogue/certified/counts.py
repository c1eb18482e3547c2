"""Whether counts that were read from a file can be those of examples."""

from typing import Any

import numpy as np


def read_counts(values: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Whole numbers of at least 0 as an array.

    Raises:
        ValueError: for anything else, or another shape.

    Example:
        >>> read_counts([1, 2.5], (2,), "total")
        Traceback (most recent call last):
        ...
        ValueError: total [1, 2.5], where 2 whole numbers of at least 0 are expected
    """
    array = np.asarray(values)
    # Of no epsilons there is an empty list, whatever the number of classes.
    fits = array.shape == shape or (array.size == 0 and 0 in shape)
    if not fits or (array.size and (array.dtype.kind != "i" or array.min() < 0)):
        sizes = " × ".join(map(str, shape))
        raise ValueError(f"{name} {values}, where {sizes} whole numbers of at least 0 are expected")
    return array.astype("int64").reshape(shape)


def check_counts(
    total: np.ndarray, correct: np.ndarray, above: np.ndarray, covered: np.ndarray, radii: int
) -> None:
    """Refuses counts that contradict each other.

    Args:
        total, correct, above, covered: see `CertificateSummary`.
        radii: number of counted radii.

    Raises:
        ValueError: naming those that do.
    """
    contradictions = {
        "correct above total": np.any(correct > total),
        "above above correct": np.any(above > correct),
        "above that grows with epsilon": np.any(np.diff(above, axis=0) > 0),
        "covered above total": np.any(covered > total.sum()),
        "covered that grows with epsilon": np.any(np.diff(covered) > 0),
        "covered below above": np.any(covered < above.sum(axis=1)),
        f"{radii} radii of {total.sum()} examples": radii != total.sum(),
    }
    for what, found in contradictions.items():
        if found:
            raise ValueError(f"counts that contradict each other: {what}")
