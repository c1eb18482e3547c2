"""Certified examples as Parquet: typed columns, and what holds for all of them beside these."""

import importlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lipzoo_catalogue.certified.certified import ROWS, Certified
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.installing import how_to_install

SUFFIX = ".parquet"
FORMAT_VERSION = 1
# The entry of the schema's metadata.
KEY = b"lipzoo"
_FEATURE = "radius of "
# Names in the file of columns that have others in memory.
_NAMES = {"labels": "label"}


def check_installed(what: str) -> None:
    """Refuses what needs Parquet where there is none.

    Raises:
        ImportError: if pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise ImportError(f"{what}: Parquet needs pyarrow: {how_to_install('data')}")


def is_parquet(path: str | Path) -> bool:
    """Whether a file begins as Parquet files do."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False


def write_parquet(file: BinaryIO, certified: Certified, part: str | None) -> None:
    """Writes certified examples, some thousands at a time.

    Args:
        file: an open file.
        certified: the examples.
        part: what it states of itself as a part of a data set, see `Part`.

    Raises:
        ImportError: if pyarrow is not installed.
    """
    check_installed("--out")
    # It has no types.
    pyarrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    about = {
        "format_version": FORMAT_VERSION,
        "terms": asdict(certified.terms),
        "left_out": certified.left_out,
        "part": None if part is None else json.loads(part),
    }
    schema: Any = None
    writer: Any = None
    for start in range(0, len(certified), ROWS):
        columns = _columns(certified, start, min(start + ROWS, len(certified)))
        # What no perturbation changes has no rival.
        arrays = [
            arrow_array(column, column >= 0 if name == "rival" else None)
            for name, column in columns.items()
        ]
        table: Any = pyarrow.Table.from_arrays(arrays, names=[*columns])
        if writer is None:
            schema = table.schema.with_metadata({KEY: json.dumps(about, ensure_ascii=False)})
            # Radii hardly repeat.
            repeating = [name for name in columns if not name.startswith(("radius", "example"))]
            writer = parquet.ParquetWriter(
                file, schema, use_dictionary=repeating, write_page_checksum=True
            )
        writer.write_table(table.replace_schema_metadata(schema.metadata))
    writer.close()


def _columns(certified: Certified, start: int, stop: int) -> dict[str, np.ndarray]:
    first = certified.first
    columns = {"example": np.arange(first + start, first + stop)}
    for name in ("row", "file", "prediction", "radius", "rival", "labels"):
        if name in certified.columns:
            columns[_NAMES.get(name, name)] = certified.columns[name][start:stop]
    for i, feature in enumerate(certified.terms.feature_names):
        columns[f"{_FEATURE}{feature}"] = certified.columns["feature_radii"][start:stop, i]
    return columns


def read_about(path: str | Path) -> dict[str, Any]:
    """What holds for all examples of a file: `terms`, `left_out` and `part`.

    Raises:
        ImportError: if pyarrow is not installed.
        ValueError, OSError: if the file is damaged or states nothing of the kind.
    """
    check_installed(str(path))
    parquet: Any = importlib.import_module("pyarrow.parquet")
    stated: Mapping[bytes, bytes] = parquet.read_metadata(path).metadata or {}
    if KEY not in stated:
        raise ValueError("no certified examples")
    about: dict[str, Any] = json.loads(stated[KEY])
    if about.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"format_version {about.get('format_version')}, where {FORMAT_VERSION} is known"
        )
    return about


def read_columns(path: str | Path, terms: Terms) -> dict[str, np.ndarray]:
    """The columns of a file, as they are in memory.

    Raises:
        ImportError: if pyarrow is not installed.
        ValueError, OSError: if the file is damaged.
    """
    check_installed(str(path))
    parquet: Any = importlib.import_module("pyarrow.parquet")
    with parquet.ParquetFile(path, page_checksum_verification=True) as file:
        table: Any = file.read(use_threads=False)
    columns: dict[str, np.ndarray] = {}
    for name in ("radius", "prediction", "rival", "labels", "row", "file"):
        stored = _NAMES.get(name, name)
        if stored in table.column_names:
            columns[name] = numpy_array(table.column(stored))
    if terms.feature_names:
        features = [numpy_array(table.column(f"{_FEATURE}{name}")) for name in terms.feature_names]
        columns["feature_radii"] = np.column_stack(features)
    return columns


def arrow_array(column: np.ndarray, valid: np.ndarray | None = None) -> Any:
    """A column of numbers or texts in Arrow.

    `pyarrow.array` imports pandas for a NumPy array, which takes half a second and 45 MB.

    Args:
        column: the column.
        valid: which entries there are; `None` for all.
    """
    pyarrow: Any = importlib.import_module("pyarrow")
    if column.dtype.kind == "U":
        return pyarrow.array(column.tolist(), pyarrow.string())
    column = np.ascontiguousarray(column)
    bits: Any = None
    if valid is not None and not valid.all():
        bits = pyarrow.py_buffer(np.packbits(valid, bitorder="little"))
    kind: Any = pyarrow.from_numpy_dtype(column.dtype)
    return pyarrow.Array.from_buffers(kind, len(column), [bits, pyarrow.py_buffer(column)])


def numpy_array(column: Any) -> np.ndarray:
    """A column of numbers or texts in NumPy, whole numbers that are missing as -1."""
    pyarrow: Any = importlib.import_module("pyarrow")
    if pyarrow.types.is_string(column.type):
        return np.array(column.to_pylist(), "U")
    dtype = np.dtype(column.type.to_pandas_dtype())
    pieces = [np.empty(0, dtype)]
    for chunk in column.chunks:
        bits, values = chunk.buffers()
        rows = slice(chunk.offset, chunk.offset + len(chunk))
        piece = np.frombuffer(values, dtype)[rows]
        if bits is not None:
            valid = np.unpackbits(np.frombuffer(bits, "uint8"), bitorder="little")[rows]
            piece = np.where(valid == 1, piece, -1)
        pieces.append(piece)
    return pieces[1] if len(pieces) == 2 else np.concatenate(pieces)
