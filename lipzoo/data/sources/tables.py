"""A user's own tables: CSV and its kind, read by pandas, and Parquet; the policy is ours."""

from pathlib import Path

import numpy as np

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.raw import DataError, RawData
from lipzoo.data.sources.table_cells import Missing, number_of
from lipzoo.data.sources.table_columns import check_rows_not_counted, chosen_columns
from lipzoo.data.sources.table_layout import check_widths, layout_of
from lipzoo.data.sources.table_rows import complete_rows
from lipzoo.data.sources.table_text import COMPRESSIONS, WHITESPACE, TableText, records
from lipzoo_catalogue.installing import how_to_install

TABLES = (".csv", ".tsv", ".txt", ".data", ".tab")
# Size of the pieces that pandas parses, in numbers of 8 bytes.
_PIECE = 2**23


class _InDoubtError(Exception):
    """Something that needs a look at every entry."""


def is_table(path: Path) -> bool:
    """Whether a file is a table of text, by its ending; a compressed one has two."""
    path = Path(path.name.lower())
    if path.suffix in (*COMPRESSIONS, ".zip"):
        path = path.with_suffix("")
    return path.suffix in TABLES


def read_table(path: Path, settings: DataSettings) -> RawData:
    """One example per row; one column is the label.

    Args:
        path: the file.
        settings: the `[data]` table of a recipe: header, delimiter, decimal, comment, label,
            columns, ignore, missing, missing_values.

    Returns:
        A `RawData` whose examples have the line of the file as their origin.

    Raises:
        DataError: where there is more than one way to read the file, and for what is no finite
            number that float32 has, with row and column.
    """
    layout = layout_of(path, settings)
    features = chosen_columns(path, settings, layout.names, layout.width, layout.label)
    missing = Missing(settings.missing_values)
    try:
        read = _read_numbers(path, settings, layout, features, missing)
    except _InDoubtError:
        read = _read_entries(path, settings, layout, features, missing)
    x, labels, lines = read
    split = complete_rows(path, settings, layout, features, x, labels, lines, missing)
    if settings.header == "auto" and not layout.names and split.labels is not None:
        _check_first_label(path, split)
    check_rows_not_counted(path, settings, split, features, layout)
    return RawData(str(path), split)


def _read_numbers(path, settings, layout, features, missing):
    """The examples as pandas reads them, where nothing is in doubt."""
    pieces, written, count = [], [], 0
    with TableText(path, settings.comment or "") as text:
        text.skip(layout.skipped)
        for frame in _frames(path, text, layout, features, missing):
            pieces.append(_plain(frame, features, layout))
            if layout.label is not None:
                written.append(frame[layout.label].to_numpy(dtype="U"))
            count += len(frame)
        counted, uneven = text.lines, text.uneven
    x = np.concatenate(pieces) if pieces else np.empty((0, len(features)), "float32")
    labels = np.concatenate(written) if written else None
    lines = np.arange(layout.skipped + 1, layout.skipped + 1 + count)
    if uneven or counted != layout.skipped + count:
        lines = _lines(path, settings, layout, count)
    return x, labels, lines


def _plain(frame, features, layout):
    """The numbers, or a look at every entry where one may be something else than it seems.

    That is where one may be infinite, cut short, absent or rounded, or a column is no number.
    """
    last = layout.width - 1
    short = frame[last].isna() if last in features else frame[last] == ""
    if short.any() or any(frame[j].dtype.kind not in "iuf" for j in features):
        raise _InDoubtError
    x = np.empty((len(frame), len(features)), "float32")
    with np.errstate(over="ignore"):
        for k, j in enumerate(features):
            x[:, k] = frame[j].to_numpy()
    # The largest size that is no NaN.
    if np.fmax.reduce(np.abs(x), axis=None) >= 2.0**24:
        raise _InDoubtError
    return x


def _frames(path, text, layout, features, missing):
    """What pandas reads, piece by piece; it is quicker in finding numbers than in being told."""
    pandas, words = import_pandas(path), sorted(missing.words)
    texts = [j for j in range(layout.width) if j not in set(features)]
    try:
        yield from pandas.read_csv(
            text,
            sep=r"\s+" if layout.delimiter == WHITESPACE else layout.delimiter,
            decimal=layout.decimal,
            header=None,
            names=range(layout.width),
            index_col=False,
            dtype=dict.fromkeys(texts, "object"),
            na_values=dict.fromkeys(features, words),
            keep_default_na=False,
            skipinitialspace=True,
            chunksize=max(1, _PIECE // (8 * layout.width)),
        )
    except pandas.errors.EmptyDataError:
        return
    except (ValueError, OverflowError, pandas.errors.ParserError) as error:
        if isinstance(error, DataError):
            raise
        raise _InDoubtError from error


def _read_entries(path, settings, layout, features, missing):
    """The examples entry by entry, which is slower and knows what each is written as."""
    x, written, lines = [], [], []
    for line, row in _rows(path, settings, layout):
        where = f"{path}, row {line}"
        if not any(entry.strip() for entry in row):
            continue
        x.append(
            [
                np.nan
                if missing.has(row[j], layout.decimal)
                else number_of(row[j], layout.decimal, f"{where}, {layout.column(j)}")
                for j in features
            ]
        )
        lines.append(line)
        if layout.label is not None:
            written.append(row[layout.label].strip())
        if len(x) % 4096 == 0:
            x[-4096:] = [*np.array(x[-4096:], "float64").astype("float32")]
    x = np.array(x, "float64").astype("float32") if x else np.empty((0, len(features)), "float32")
    labels = np.array(written, "U") if layout.label is not None else None
    return x, labels, np.array(lines, "int64")


def _rows(path, settings, layout):
    """Records below the header, with as many entries as the first one has."""
    for line, row in records(path, layout.delimiter, settings.comment or ""):
        if line <= layout.skipped:
            continue
        check_widths(path, [(line, row)], layout.width)
        yield line, row


def _lines(path, settings, layout, count):
    """The line of each record, counted where some are blank, comments or of several lines."""
    lines = np.fromiter((line for line, _ in _rows(path, settings, layout)), "int64")
    if len(lines) != count:
        raise _InDoubtError
    return lines


def _check_first_label(path, split):
    """A label that only the first row has, where every other is frequent, may be a header's."""
    found, counts = np.unique(split.labels, return_counts=True)
    alone = found[counts == 1]
    first = split.labels[0]
    if len(split) > 9 and len(found) > 2 and len(alone) == 1 and alone[0] == first:
        raise DataError(
            f"{path}: the first row may be a header or an example: no other has its label, "
            f"{str(first)!r}. Set header = true or header = false in [data]"
        )


def import_pandas(path: Path):
    """pandas, or an error that says how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise DataError(
            f"{path}: a table needs pandas: {how_to_install('data')} ({error})"
        ) from None
    return pandas
