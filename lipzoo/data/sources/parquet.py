"""A user's own tables in Parquet: types are stored, so that nothing is guessed."""

import json
from pathlib import Path

import numpy as np

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.raw import DataError, RawData
from lipzoo.data.sources.table_cells import Missing, check_float32
from lipzoo.data.sources.table_columns import check_rows_not_counted, chosen_columns
from lipzoo.data.sources.table_layout import Layout, label_column
from lipzoo.data.sources.table_rows import complete_rows
from lipzoo_catalogue.installing import how_to_install

_ROWS = 2**16


def read_parquet(path: Path, settings: DataSettings) -> RawData:
    """One example per record; the origin is the record's number, from 1.

    An index that pandas stored is no feature. Nulls and NaN are missing entries.

    Args:
        path: the file.
        settings: the `[data]` table of a recipe: label, columns, ignore, missing.

    Returns:
        A `RawData`.

    Raises:
        DataError: for columns of truth values, dates, texts and lists, and for what is no finite
            number that float32 has, with record and column.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(
            f"{path}: a table needs pyarrow: {how_to_install('data')} ({error})"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            index = set(_index(schema))
            names = tuple(name for name in schema.names if name not in index)
            label = label_column(path, settings, names, len(names))
            layout = Layout("", ".", len(names), names, 0, label)
            features = chosen_columns(path, settings, names, len(names), label)
            used = [*features, *([] if label is None else [label])]
            for j in used:
                _check_type(path, schema.field(names[j]), j == label, settings)
            pieces, written, count = [np.empty((0, len(features)), "float32")], [], 0
            for batch in file.iter_batches(_ROWS, columns=[names[j] for j in used]):
                block = np.empty((len(batch), len(features)), "float32")
                for k, j in enumerate(features):
                    block[:, k] = _numbers(path, batch.column(names[j]), names[j], count)
                pieces.append(block)
                if label is not None:
                    written += map(_text, batch.column(names[label]).to_pylist())
                count += len(batch)
    except (ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    x = np.concatenate(pieces)
    labels = np.array(written, "U") if label is not None else None
    split = complete_rows(
        path,
        settings,
        layout,
        features,
        x,
        labels,
        np.arange(1, count + 1),
        Missing(settings.missing_values),
    )
    check_rows_not_counted(path, settings, split, features, layout)
    return RawData(str(path), split)


def _index(schema):
    """Columns in which pandas stored its index."""
    stored = (schema.metadata or {}).get(b"pandas")
    columns = json.loads(stored).get("index_columns", []) if stored else []
    return [name for name in columns if isinstance(name, str)]


def _check_type(path, field, is_label, settings):
    import pyarrow.types as kinds

    kind = field.type
    if is_label:
        if kinds.is_dictionary(kind):
            kind = kind.value_type
        texts = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
        accepted = (*texts, kinds.is_boolean, kinds.is_integer, kinds.is_floating, kinds.is_null)
        expected = "labels: whole numbers or text"
    else:
        accepted = (kinds.is_integer, kinds.is_floating, kinds.is_decimal, kinds.is_null)
        expected = "numbers; a column of something else is left out by ignore in [data]"
    if not any(accept(kind) for accept in accepted):
        raise DataError(
            f"{path}, column {field.name!r}: expected {expected}. Received: type {field.type}"
        )


def _numbers(path, column, name, before):
    """A column in float32, checked; NaN for what is missing."""
    import pyarrow.types as kinds
    from pyarrow import float64

    kind = column.type
    if kinds.is_null(kind):
        return np.full(len(column), np.nan)
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    if kinds.is_integer(kind):
        exact = column.fill_null(0).to_numpy(zero_copy_only=False)
        values = exact.astype("float32")
        suspicious = np.abs(exact.astype("float64")) > 2**24
    else:
        if kinds.is_decimal(kind):
            column = column.cast(float64())
        exact = column.fill_null(np.nan).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            values = exact.astype("float32")
        suspicious = np.isinf(values)
    for i in np.flatnonzero(suspicious & valid).tolist():
        where = f"{path}, row {before + i + 1}, column {name!r}"
        whole = int(exact[i]) if kinds.is_integer(kind) else None
        check_float32(float(exact[i]), whole, where)
    values = values.astype("float64")
    values[~valid] = np.nan
    return values


def _text(value):
    return "" if value is None or value != value else str(value)
