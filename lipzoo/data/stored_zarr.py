"""Examples in Zarr: an array, or a group of arrays `x` and perhaps `y`."""

from pathlib import Path
from typing import Any

import numpy as np

from lipzoo.data.blocks import StoredBlocks
from lipzoo.data.sources.raw import DataError
from lipzoo_catalogue.installing import how_to_install


def read_zarr(path: Path) -> tuple[StoredBlocks, np.ndarray | None]:
    """Examples, a chunk of which is in memory at a time, and labels, or `None`.

    Args:
        path: a Zarr folder, of version 2 or 3.

    Raises:
        DataError: if there are no such arrays of numbers, or Zarr is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise DataError(f"{path} needs zarr: {how_to_install('engines')} ({error})") from None
    try:
        stored: Any = zarr.open(str(path), mode="r")
    except Exception as error:
        # Its errors are of every kind.
        raise DataError(f"{path}: not a Zarr folder: {error}") from None
    if isinstance(stored, zarr.Array):
        return _blocks(path, stored), None
    names = sorted(stored.array_keys())
    if "x" not in names or not set(names) <= {"x", "y"}:
        raise DataError(
            f"{path}: expected an array, or a group of arrays x and y, or x. "
            f"Received: {', '.join(names) or 'none'}"
        )
    return _blocks(path, stored["x"]), np.asarray(stored["y"][:]) if "y" in names else None


def _blocks(path: Path, array: Any) -> StoredBlocks:
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        raise DataError(
            f"{path}: expected numbers of shape (n, ...). "
            f"Received: shape={array.shape}, dtype={array.dtype}"
        )
    rows = max(array.chunks[0], 1)
    starts = range(0, array.shape[0], rows)
    return StoredBlocks(
        path, array.shape, array.dtype, starts, lambda i: array[starts[i] : starts[i] + rows]
    )
