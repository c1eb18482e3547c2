"""What tells the examples and labels of one part from those of another."""

import hashlib

import numpy as np

from lipzoo.certificates.inputs import check_labels
from lipzoo.data.examples import Examples, StoredArray

# Labels that are in memory at a time.
ROWS = 65_536


def marks(x: Examples) -> str:
    """sha256 over shape, first and last example, and rows: tells data sets apart without reading.

    Two that differ only in between have the same marks.
    """
    digest = hashlib.sha256(f"{len(x)}".encode())
    for rows in (slice(0, 1), slice(len(x) - 1, len(x))):
        example = x[rows]
        digest.update(f"{example.shape}{example.dtype.str}".encode())
        digest.update(np.ascontiguousarray(example).data)
    if x.origin is not None:
        digest.update(x.origin.tobytes())
    return digest.hexdigest()


def sha256_of_labels(y: np.ndarray | StoredArray, examples: int, classes: int) -> str:
    """Checks the labels of the first examples, in pieces, and returns the SHA-256 of them all.

    It is that of the classes as little-endian int64: the same for one-hot rows, and for any type.

    Raises:
        TypeError, ValueError: see `check_labels`.
    """
    digest = hashlib.sha256()
    for first in range(0, examples, ROWS):
        some = y[first : min(first + ROWS, examples)]
        digest.update(check_labels(some, len(some), classes).astype("<i8").tobytes())
    return digest.hexdigest()
