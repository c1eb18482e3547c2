"""The text of a table: decompressed, decoded, without comments, its lines counted."""

import bz2
import codecs
import contextlib
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lipzoo.data.sources.raw import DataError

COMPRESSIONS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
WHITESPACE = " "
_PIECE = 2**18
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError)


class TableText:
    """The text of a file piece by piece, as pandas asks for it.

    Text is UTF-8, with or without a byte order mark, or UTF-16 with one. A line that begins with
    `comment` becomes an empty line, so that lines keep their numbers.

    Args:
        path: the file, perhaps compressed (.gz, .bz2, .xz, .zip with one file).
        comment: what a comment begins with; empty for none.

    Attributes:
        lines: number of lines so far, those at the end that are blank not counted.
        uneven: whether a line may have ended in a way that `lines` does not count.
    """

    def __init__(self, path: Path, comment: str = ""):
        self.path, self.lines, self.uneven = path, 0, False
        self._comment = re.compile(rf"(?m)^[ \t]*{re.escape(comment)}[^\r\n]*") if comment else None
        self._newlines = 0
        self._held = self._raw_held = ""
        try:
            self._file = _open(path)
            start = self._file.read(2)
            self._bytes = start
        except _BROKEN as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        self._decoder = codecs.getincrementaldecoder(_MARKS.get(start, "utf-8-sig"))()
        self._ended = False

    def __enter__(self) -> "TableText":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        """Lines with their ends, whichever these are."""
        held = ""
        while piece := self.read(_PIECE):
            lines = [*io.StringIO(held + piece, newline="")]
            # The last one may go on, or be followed by the other half of its end.
            held = lines.pop()
            yield from lines
        if held:
            yield held

    def skip(self, lines: int) -> None:
        """Leaves the first lines out of what `read` returns."""
        text = ""
        while lines and (piece := self._next(_PIECE)):
            text += piece
            found = [*io.StringIO(text, newline="")]
            if len(found) > lines:
                self._held = "".join(found[lines:])
                return

    def read(self, size: int = _PIECE) -> str:
        """Some of the text, nothing at its end."""
        if self._held:
            held, self._held = self._held, ""
            return held
        return self._next(max(size, 1))

    def _next(self, size):
        while not self._ended:
            text = self._raw_held + self._decoded(size)
            self._raw_held = ""
            if not self._ended:
                # Whole lines for comments; else only the halves of a line's end stay together.
                end = text.rfind("\n") + 1 if self._comment else len(text) - text.endswith("\r")
                text, self._raw_held = text[:end], text[end:]
            if self._comment:
                text = self._comment.sub("", text)
            if text:
                self._count(text)
                return text
        return ""

    def _decoded(self, size):
        try:
            content = self._bytes + self._file.read(size)
            self._bytes = b""
            self._ended = not content
            return self._decoder.decode(content, final=self._ended)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}: expected text in UTF-8. Received: {error}; save it as UTF-8"
            ) from None
        except _BROKEN as error:
            raise DataError(f"{self.path}: cannot be read: {error}") from None

    def _count(self, text):
        ends = np.count_nonzero(np.frombuffer(text.encode(), "uint8") == ord("\n"))
        written = text.rstrip()
        if written:
            blank = text.count("\n", len(written))
            self.lines = self._newlines + ends - blank + 1
        self._newlines += ends
        if "\r" in text and text.count("\r") != text.count("\r\n"):
            self.uneven = True


def _open(path):
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if not n.endswith("/")]
            if len(names) != 1:
                raise DataError(f"{path}: expected one file in it. Received: {names[:5]}")
            return archive.open(names[0])
    return COMPRESSIONS.get(suffix, open)(path, "rb")


def records(
    path: Path, delimiter: str, comment: str = "", text: str | None = None
) -> Iterator[tuple[int, list[str]]]:
    """The records of a table that are not blank: the line in which each begins, and its entries.

    Args:
        path: the file.
        delimiter: what stands between entries; a blank stands for any white space.
        comment: see `TableText`.
        text: the text of the file's beginning, in place of all of it.
    """
    opened = TableText(path, comment) if text is None else contextlib.nullcontext()
    with opened as whole:
        lines = whole if text is None else io.StringIO(text, newline="")
        if delimiter == WHITESPACE:
            rows = ((number, line.split()) for number, line in enumerate(lines, start=1))
        else:
            rows = _quoted(path, lines, delimiter)
        for number, row in rows:
            if len(row) > 1 or (row and row[0].strip()):
                yield number, row


def _quoted(path, lines, delimiter):
    reader, number = csv.reader(lines, delimiter=delimiter, skipinitialspace=True), 1
    try:
        for row in reader:
            yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, row {number}: cannot be read: {error}") from None
