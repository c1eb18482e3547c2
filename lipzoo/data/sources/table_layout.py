"""How a table is laid out: delimiter, decimal mark and header, or a word about what is in doubt."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.raw import DataError
from lipzoo.data.sources.table_cells import Missing, is_number
from lipzoo.data.sources.table_text import WHITESPACE, TableText, records

_DELIMITERS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'", WHITESPACE: "a blank"}
_SAMPLE, _SAMPLE_LINES, _LONGEST = 2**16, 6, 2**26
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+")


@dataclass(frozen=True)
class Layout:
    """How the entries of a table are told apart.

    Args:
        delimiter: between entries; a blank stands for any white space.
        decimal: the decimal mark.
        width: entries of a row.
        names: the header's, or none.
        skipped: lines up to the end of the header.
        label: column of the label from 0, or `None`.
    """

    delimiter: str
    decimal: str
    width: int
    names: tuple[str, ...]
    skipped: int
    label: int | None

    def column(self, number: Any) -> str:
        """A column in words, for messages."""
        return f"column {self.names[number]!r}" if self.names else f"column {number + 1}"


def layout_of(path: Path, settings: DataSettings) -> Layout:
    """Finds out how a table is laid out.

    Raises:
        DataError: if there is more than one way to read it: with the doubt and the setting of
            `[data]` that settles it.
    """
    sample = _beginning(path, settings)
    if settings.comment is None and sample.lstrip()[:1] in ("#", "%"):
        mark = sample.lstrip()[0]
        raise DataError(
            f"{path}: the first line begins with {mark!r} and may be a comment. Set comment = "
            f'"{mark}" in [data] to leave such lines out, or comment = "" to read them'
        )
    missing = Missing(settings.missing_values)
    delimiter, rows = _delimiter(path, settings, sample, missing)
    check_widths(path, rows, len(rows[0][1]))
    decimal = _decimal(path, settings, delimiter, rows, missing)
    entries = [row for _, row in rows]
    width = len(entries[0])
    header = settings.header
    if header == "auto":
        header = _has_header(path, settings, entries, decimal, missing)
    names = tuple(entry.strip() for entry in entries[0]) if header else ()
    if header and len(rows) < 2:
        raise DataError(f"{path}: expected rows with numbers and a label below the header")
    skipped = rows[1][0] - 1 if header else rows[0][0] - 1
    label = label_column(path, settings, names, width)
    if width < 1 + (label is not None):
        raise DataError(f"{path}: expected rows with numbers and a label. Received: {entries[0]!r}")
    return Layout(delimiter, decimal, width, names, skipped, label)


def check_widths(path: Path, rows, width: int) -> None:
    """Refuses the first record of another number of entries than the first of all."""
    for line, row in rows:
        if len(row) != width:
            raise DataError(f"{path}, row {line}: expected {width} entries. Received: {len(row)}")


def find_column(path: Path, column: str | int, names: tuple[str, ...], width: int, key: str) -> int:
    """Number from 0 of a column that is given by its name, or by its number from 1.

    Raises:
        DataError: if there is none, or several have the name.
    """
    if isinstance(column, int):
        if not 1 <= column <= width:
            raise DataError(
                f"{path}: [data] {key}: expected a column from 1 to {width}. Received: {column}"
            )
        return column - 1
    found = [i for i, name in enumerate(names) if name == column]
    if len(found) != 1:
        shown = f"{list(names[:20])}" if names else "a file without header; columns have numbers"
        problem = "several columns of that name" if found else "none"
        raise DataError(
            f"{path}: [data] {key}: expected one column {column!r}. Received: {problem} in {shown}"
        )
    return found[0]


def label_column(
    path: Path, settings: DataSettings, names: tuple[str, ...], width: int
) -> int | None:
    """Number from 0 of the label's column, or `None` for a table without labels.

    Raises:
        DataError: if there is no such column.
    """
    if settings.label == "none":
        return None
    if settings.label in ("first", "last"):
        return 0 if settings.label == "first" else width - 1
    return find_column(path, settings.label, names, width, "label")


def _beginning(path, settings):
    """The first lines; the last one is whole."""
    content = bytearray()
    with TableText(path, settings.comment or "") as file:
        while piece := file.read(_SAMPLE):
            content += piece
            enough = file.newlines >= _SAMPLE_LINES and len(content) >= _SAMPLE
            if enough or len(content) > _LONGEST:
                content = content[: content.rfind(b"\n") + 1] or content
                break
    # Only a line that is longer than all of this may be cut within a character.
    return content.decode(errors="ignore")


def _delimiter(path, settings, sample, missing):
    """The delimiter, and the records of the sample by it."""
    stated = settings.delimiter != "auto"
    possible = {}
    for mark in [settings.delimiter] if stated else _DELIMITERS:
        rows = [*records(path, mark, text=sample)]
        if rows and (stated or (len(rows[0][1]) > 1 and len({len(row) for _, row in rows}) == 1)):
            possible[mark] = rows
    if not sample.strip():
        raise DataError(f"{path}: expected rows with numbers and a label. Received: no text")
    readable = [
        mark
        for mark, rows in possible.items()
        if any(_readable(rows, d, settings, missing) for d in _decimals(settings))
    ]
    chosen = readable or [*possible]
    if "\t" in chosen:
        # White space of any kind is a tab, too.
        chosen = [mark for mark in chosen if mark != WHITESPACE]
    if len(chosen) == 1:
        return chosen[0], possible[chosen[0]]
    first = sample.lstrip().splitlines()[0][:200]
    if chosen:
        listed = " or ".join(_DELIMITERS[mark] for mark in chosen)
        raise DataError(
            f"{path}: entries may be separated by {listed}. Set delimiter in [data]. "
            f"Received: {first!r}"
        )
    # Some row may be broken: the first line's most frequent delimiter leads to it.
    counts = {mark: first.count(mark) for mark in _DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    if counts[best] == 0:
        raise DataError(f"{path}: expected rows with numbers and a label. Received: {first!r}")
    return best, [*records(path, best, text=sample)]


def _decimals(settings):
    return [".", ","] if settings.decimal == "auto" else [settings.decimal]


def _data_rows(rows, settings):
    """The entries of the rows that are no header for certain."""
    certain = settings.header is False or len(rows) == 1
    return [row for _, row in (rows if certain else rows[1:])]


def _readable(rows, decimal, settings, missing):
    """Whether all columns but the label's, and those that are left out, hold numbers."""
    data = _data_rows(rows, settings)
    width = len(data[0])
    texts = [
        j
        for j in range(width)
        if not all(j < len(row) and _is_value(row[j], decimal, missing) for row in data)
    ]
    label = {"last": width - 1, "first": 0}.get(settings.label)
    allowed = len(settings.ignore) + (label is None and settings.label != "none")
    return len([j for j in texts if j != label]) <= allowed


def _is_value(entry, decimal, missing):
    return is_number(entry, decimal) or entry in missing


def _decimal(path, settings, delimiter, rows, missing):
    if settings.decimal != "auto":
        return settings.decimal
    readable = (d for d in _decimals(settings) if _readable(rows, d, settings, missing))
    decimal = next(readable, ".")
    if decimal == "." and delimiter != ";":
        return decimal
    data = _data_rows(rows, settings)
    label = {"last": len(data[0]) - 1, "first": 0}.get(settings.label)
    marked = [
        entry.strip()
        for row in data
        for j, entry in enumerate(row)
        if j != label and decimal in entry and is_number(entry, decimal)
    ]
    if marked and all(_THOUSANDS.fullmatch(entry) for entry in marked):
        raise DataError(
            f"{path}: {decimal!r} may be a decimal mark or separate thousands. Set decimal in "
            f"[data] if it is a decimal mark, else write the numbers without it. "
            f"Received: {marked[0]!r}"
        )
    return decimal


def _has_header(path, settings, entries, decimal, missing):
    """Whether the first row names the columns, from what is stated or from the rows."""
    stated = (settings.label, *settings.columns, *settings.ignore)
    if any(isinstance(c, str) and c not in ("first", "last", "none", "*") for c in stated):
        return True
    first, rest = entries[0], entries[1:]
    label = {"last": len(first) - 1, "first": 0}.get(settings.label)
    if isinstance(settings.label, int):
        label = settings.label - 1
    features = [j for j in range(len(first)) if j != label]
    texts = [first[j] for j in features if not _is_value(first[j], decimal, missing)]
    numbers = [first[j] for j in features if is_number(first[j], decimal)]
    if texts and not numbers:
        return True
    doubt = None
    if texts:
        doubt = f"some entries are numbers and {texts[0]!r} is none"
    elif rest and numbers:
        doubt = _numbers_that_name(first, rest, features, label, decimal)
    if doubt:
        raise DataError(
            f"{path}: the first row may be a header or an example: {doubt}. Set header = true or "
            f"header = false in [data]. Received: {first[:8]}"
        )
    return False


def _numbers_that_name(first, rest, features, label, decimal):
    """What speaks for a header of numbers (years, wavelengths, 0 to n - 1), or nothing."""
    if label is not None and first[label].strip() not in ("?", "nan", "NaN"):
        others = [row[label] for row in rest]
        if (
            is_number(first[label], ".") != is_number(others[0], ".")
            and len({is_number(o, ".") for o in others}) == 1
        ):
            return f"its last or first entry, {first[label]!r}, is not written as the labels are"

    def values(row):
        found = [row[j].strip().replace(",", ".") for j in features]
        return [float(v) for v in found if is_number(v, ".")]

    row = values(first)
    steps = {b - a for a, b in itertools.pairwise(row)}
    if len(row) > 2 and len(steps) == 1 and 0 not in steps and all(v.is_integer() for v in row):
        return "its entries count up evenly"
    if len(row) > 7 and len(rest) > 2 and _rises(row) and not any(_rises(values(r)) for r in rest):
        return "its entries rise or fall from one to the next, as in no other row"
    whole = [all(_is_whole(row[j]) for j in features) for row in (first, *rest)]
    never = not any(_is_whole(row[j]) for row in rest for j in features)
    if len(features) > 1 and len(rest) > 2 and whole[0] and never:
        return "its entries are whole numbers, as in no other row"
    return None


def _rises(row):
    pairs = [*itertools.pairwise(row)]
    return bool(pairs) and (all(a < b for a, b in pairs) or all(a > b for a, b in pairs))


def _is_whole(entry):
    return entry.strip().lstrip("+-").isdecimal()
