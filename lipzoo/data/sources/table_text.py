"""The text of a table: decompressed, in UTF-8, without comments, its lines counted."""

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
from typing import Any

import numpy as np

from lipzoo.data.sources.raw import DataError

COMPRESSIONS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
WHITESPACE = " "
_PIECE = 2**18
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError)


class TableText:
    """The text of a file piece by piece, as pandas asks for it: bytes in UTF-8.

    Text is UTF-8, with or without a byte order mark, or UTF-16 with one. A line that begins with
    `comment` becomes an empty line, so that lines keep their numbers.

    Args:
        path: the file, perhaps compressed (.gz, .bz2, .xz, .zip with one file).
        comment: what a comment begins with; empty for none.

    Attributes:
        lines: number of lines so far, those at the end that are blank not counted.
        newlines: number of newline characters so far.
        uneven: whether a line may have ended in a way that `lines` does not count.
    """

    def __init__(self, path: Path, comment: str = ""):
        self.path, self.lines, self.newlines, self.uneven = path, 0, 0, False
        mark = re.escape(comment.encode())
        self._comment = re.compile(rb"(?m)^[ \t]*" + mark + rb"[^\r\n]*") if comment else None
        self._held = self._raw_held = b""
        try:
            self._file = _open(path)
            self._start = self._file.read(len(codecs.BOM_UTF8))
        except _BROKEN as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        self._translated = self._start[:2] in _MARKS
        self._decoder = codecs.getincrementaldecoder("utf-16" if self._translated else "utf-8")()
        if self._start == codecs.BOM_UTF8:
            self._start = b""
        self._ended = False

    def __enter__(self) -> "TableText":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        """Lines with their ends, whichever these are."""
        decoder, held = codecs.getincrementaldecoder("utf-8")(), ""
        while piece := self.read(_PIECE):
            lines = [*io.StringIO(held + decoder.decode(piece), newline="")]
            # The last one may go on, or be followed by the other half of its end.
            held = lines.pop() if lines else ""
            yield from lines
        if held:
            yield held

    def skip(self, lines: int) -> None:
        """Leaves the first lines out of what `read` returns."""
        content = b""
        while lines and (piece := self._next(_PIECE)):
            content += piece
            found = content.splitlines(keepends=True)
            if len(found) > lines:
                self._held = b"".join(found[lines:])
                return

    def read(self, size: int = _PIECE) -> bytes:
        """Some of the text, nothing at its end."""
        if self._held:
            held, self._held = self._held, b""
            return held
        return self._next(max(size, 1))

    def _next(self, size):
        while not self._ended:
            content = self._raw_held + self._checked(size)
            self._raw_held = b""
            if not self._ended:
                # Whole lines for comments; else only the halves of a line's end stay together.
                end = len(content) - content.endswith(b"\r")
                if self._comment:
                    end = content.rfind(b"\n") + 1
                content, self._raw_held = content[:end], content[end:]
            if self._comment:
                content = self._comment.sub(b"", content)
            if content:
                self._count(content)
                return content
        return b""

    def _checked(self, size):
        """What is read next, in UTF-8; plain ASCII, which is most of it, is not decoded."""
        try:
            content = self._start + self._file.read(size)
            self._ended = not content
            self._start = b""
            if self._translated:
                return self._decoder.decode(content, final=self._ended).encode()
            if self._ended or self._decoder.getstate()[0] or not content.isascii():
                self._decoder.decode(content, final=self._ended)
            return content
        except UnicodeError as error:
            raise DataError(
                f"{self.path}: expected text in UTF-8. Received: {error}; save it as UTF-8"
            ) from None
        except _BROKEN as error:
            raise DataError(f"{self.path}: cannot be read: {error}") from None

    def _count(self, content):
        ends = np.count_nonzero(np.frombuffer(content, "uint8") == ord("\n"))
        written = len(content.rstrip())
        if written:
            blank = content.count(b"\n", written)
            self.lines = self.newlines + ends - blank + 1
        self.newlines += ends
        if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
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
    opened: Any = TableText(path, comment) if text is None else contextlib.nullcontext()
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
