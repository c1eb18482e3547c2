"""A user's own tables: CSV files."""

import csv
from pathlib import Path

import numpy as np

from lipzoo.training.settings import DataSettings
from lipzoo.training.sources.arrays import flat_labels
from lipzoo.training.sources.raw import DataError, RawData, RawSplit
from lipzoo_catalogue.certified.origin import LeftOut


def read_csv(path: Path, settings: DataSettings) -> RawData:
    """One example per row; one column is the label; a header is tolerated."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text: {error}") from None
    first_line = text.partition("\n")[0]
    delimiter = next((d for d in ",;\t" if d in first_line), ",")
    rows = [
        (number, [entry.strip() for entry in row])
        for number, row in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), start=1)
        if any(entry.strip() for entry in row)
    ]
    features = slice(0, -1) if settings.label == "last" else slice(1, None)
    column = -1 if settings.label == "last" else 0
    if rows and not any(map(_is_number, rows[0][1][features])):
        rows = rows[1:]
    if not rows or len(rows[0][1]) < 2:
        raise DataError(f"{path}: expected rows with numbers and a label. Received: {first_line!r}")
    width = len(rows[0][1])
    kept, origin, left_out = [], [], []
    for number, row in rows:
        if len(row) != width:
            raise DataError(f"{path}, row {number}: expected {width} entries. Received: {len(row)}")
        if any(entry in ("", "?") for entry in row):
            if settings.missing == "error":
                raise DataError(
                    f'{path}, row {number}: an entry is missing. Set missing = "drop" in [data] '
                    "to leave such rows out"
                )
            missing = next(i for i, entry in enumerate(row, start=1) if entry in ("", "?"))
            left_out.append(LeftOut(len(kept), number, f"no entry in column {missing}"))
            continue
        bad = next((entry for entry in row[features] if not _is_number(entry)), None)
        if bad is not None:
            raise DataError(f"{path}, row {number}: expected a number. Received: {bad!r}")
        kept.append(row)
        origin.append(number)
    if not kept:
        raise DataError(f"{path}: expected rows without missing entries. Received: none")
    x = np.array([row[features] for row in kept], dtype="float64").astype("float32")
    written = [row[column] for row in kept]
    numeric = all(map(_is_number, written))
    labels = flat_labels(np.array(written, dtype="float64" if numeric else "U"), f"{path}: label")
    return RawData(str(path), RawSplit(x, labels, np.array(origin, dtype="int64"), tuple(left_out)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
