"""Examples in Parquet, each a list of numbers: images that an engine wrote, say."""

from pathlib import Path
from typing import Any

import numpy as np

from lipzoo.data.blocks import StoredBlocks
from lipzoo.data.sources.raw import DataError
from lipzoo_catalogue.certified.parquet import numpy_array

# Examples that are decoded at a time: a whole row group takes several times what is in it.
ROWS = 2_048
LABELS = ("label", "labels", "class", "y")


def list_column(path: Path) -> str | None:
    """The one column of lists of numbers in a Parquet file; `None` where there are none or several.

    Files of the library `datasets` are read by that: they say more of their columns.
    """
    try:
        from pyarrow import ArrowException, parquet

        schema = parquet.read_schema(path)
    except (ImportError, ArrowException, OSError):
        return None
    if b"huggingface" in (schema.metadata or {}):
        return None
    names = [field.name for field in schema if _depth(field.type) > 0]
    return names[0] if len(names) == 1 else None


def read_lists(path: Path, column: str, label: str | int) -> tuple[StoredBlocks, np.ndarray | None]:
    """Examples as arrays of numbers, some thousand in memory at a time, and labels or `None`.

    Lists in lists, and tensors, keep their shape.

    Args:
        path: the file.
        column: the column of the examples, see `list_column`.
        label: name or number, from 1, of the column of labels; `"none"`; or anything else for one
            of `LABELS`.

    Raises:
        DataError: if lists are missing or of several lengths, or labels are not clear.
    """
    from pyarrow import ArrowException, parquet

    file = parquet.ParquetFile(path)
    columns: list[str] = file.schema_arrow.names
    names = [name for name in columns if name != column]
    if isinstance(label, int):
        label = columns[label - 1] if 1 <= label <= len(columns) else ""
    if label not in names and label != "none":
        found = [name for name in names if name.casefold() in LABELS]
        if len(found) > 1:
            raise DataError(
                f"{path}: expected one column of labels; --read label=NAME names it. "
                f"Received: {', '.join(found)}"
            )
        label = found[0] if found else "none"
    places = [
        (group, first)
        for group in range(file.num_row_groups)
        for first in range(0, file.metadata.row_group(group).num_rows, ROWS)
    ]
    counts = [min(ROWS, file.metadata.row_group(group).num_rows - first) for group, first in places]
    starts = [0, *np.cumsum(counts).tolist()][:-1]
    # Where a row group is being read, and from which row on.
    reading: list[Any] = [None, -1, -1]

    def read(number: int) -> np.ndarray:
        group, first = places[number]
        try:
            if reading[1] != group or reading[2] > first:
                batches = file.iter_batches(ROWS, row_groups=[group], columns=[column])
                reading[:] = [batches, group, 0]
            while reading[2] <= first:
                batch = next(reading[0])
                reading[2] += len(batch)
        except (ArrowException, OSError, StopIteration) as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        if len(batch) != counts[number]:
            raise DataError(f"{path}: expected {counts[number]} rows. Received: {len(batch)}")
        return _rows(batch.column(0), path, column, starts[number])

    if not sum(counts):
        raise DataError(f"{path}: expected examples. Received: none")
    first = read(0)
    shape, dtype = first.shape[1:], first.dtype
    del first

    def same(number: int) -> np.ndarray:
        rows = read(number)
        if rows.shape[1:] != shape:
            expected, received = (" × ".join(map(str, sizes)) for sizes in (shape, rows.shape[1:]))
            raise DataError(
                f"{path}, column {column!r}: expected lists of {expected} numbers. "
                f"Received: lists of {received} from row {starts[number] + 1} on"
            )
        return rows

    x = StoredBlocks(path, (sum(counts), *shape), dtype, starts, same)
    if label == "none":
        return x, None
    labels = file.read(columns=[label]).column(label)
    if labels.null_count:
        raise DataError(
            f"{path}: expected a label for every example. Received: {labels.null_count} without"
        )
    return x, np.array(labels.to_pylist())


def _depth(kind: Any) -> int:
    """How many lists are around numbers; 0 for what is no list of numbers."""
    import pyarrow.types as kinds

    depth = 0
    kind = getattr(kind, "storage_type", kind)
    while kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth if kinds.is_integer(kind) or kinds.is_floating(kind) else 0


def _rows(chunk: Any, path: Path, column: str, before: int) -> np.ndarray:
    """The numbers of every list, lists in lists as further axes."""
    import pyarrow as pa

    shape = [len(chunk)]
    array = getattr(chunk, "storage", chunk)
    while hasattr(array, "flatten") and _depth(array.type):
        sizes = _sizes(array)
        if array.null_count or len(np.unique(sizes)) > 1:
            raise DataError(
                f"{path}, column {column!r}: expected lists of one length, none missing, from row "
                f"{before + 1} on. Received: lengths from {sizes.min()} to {sizes.max()}, "
                f"{array.null_count} missing"
            )
        shape.append(int(sizes[0]))
        array = array.flatten()
    if array.null_count:
        raise DataError(
            f"{path}, column {column!r}: expected numbers from row {before + 1} on. "
            f"Received: {array.null_count} missing"
        )
    numbers = numpy_array(pa.chunked_array([array])).reshape(shape)
    if not isinstance(chunk.type, pa.FixedShapeTensorType):
        return numbers
    # Its axes are stored in another order than they are meant where there is a permutation.
    order = chunk.type.permutation or range(len(chunk.type.shape))
    return numbers.reshape(len(chunk), *chunk.type.shape).transpose(0, *(1 + i for i in order))


def _sizes(array: Any) -> np.ndarray:
    import pyarrow.types as kinds

    if kinds.is_fixed_size_list(array.type):
        return np.full(max(len(array), 1), array.type.list_size)
    return np.diff(array.offsets.to_numpy()) if len(array) else np.zeros(1, "int64")
