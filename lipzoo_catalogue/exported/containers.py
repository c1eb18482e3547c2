"""Where the certificate lies in an exported file, with a few lines for each container format."""

from collections.abc import Iterator
from dataclasses import dataclass

KEY = "lipzoo.certificate"
"""Name of the entry: of ONNX' `metadata_props`, or of a LiteRT file's metadata."""

_LITERT_IDENTIFIER = b"TFL3"
_METADATA_PROPS = 14


@dataclass(frozen=True)
class Located:
    """A file in which an entry `KEY` was found.

    Args:
        content: the file's bytes.
        start, stop: where the text of the entry begins, and ends.
        metadata: first byte, and the one behind the last, of what is no part of the computation.
    """

    content: bytes
    start: int
    stop: int
    metadata: tuple[tuple[int, int], ...]

    @property
    def text(self) -> bytes:
        """The text of the entry."""
        return self.content[self.start : self.stop]

    def computation(self) -> Iterator[memoryview]:
        """All other bytes of the file than those of its metadata, in their order."""
        view, position = memoryview(self.content), 0
        for start, stop in self.metadata:
            yield view[position:start]
            position = stop
        yield view[position:]


def locate(content: bytes) -> Located:
    """Finds the entry `KEY` in the content of an ONNX or a LiteRT file.

    Raises:
        ValueError: if there is none, or more than one, or if it is no such file.
    """
    find = _in_litert if is_litert(content) else _in_onnx
    try:
        found = find(content)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"no file of a known format: {error}") from None
    if len(found) != 1:
        raise ValueError(f"{len(found) or 'no'} entries {KEY!r} were found")
    return found[0]


def is_litert(content: bytes) -> bool:
    """Whether a file that begins so is one of LiteRT."""
    return content[4:8] == _LITERT_IDENTIFIER


def _in_onnx(content: bytes) -> list[Located]:
    """In a `ModelProto`, field 14 holds pairs of a key (1) and a value (2)."""
    view = memoryview(content)
    records: list[tuple[int, int]] = []
    texts: list[tuple[int, int]] = []
    for number, first, start, stop in _fields(view, 0, len(view)):
        if number == _METADATA_PROPS:
            records.append((first, stop))
            entry = {key: (begin, end) for key, _, begin, end in _fields(view, start, stop)}
            if 1 in entry and 2 in entry and content[slice(*entry[1])] == KEY.encode():
                texts.append(entry[2])
    return [Located(content, start, stop, tuple(records)) for start, stop in texts]


def _fields(message: memoryview, position: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, first byte, begin and end of the content of a protocol buffer's delimited fields."""
    while position < stop:
        first = position
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == 0:
            _, position = _varint(message, position)
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        elif kind == 2:
            size, position = _varint(message, position)
            if position + size > stop:
                raise ValueError("truncated")
            yield tag >> 3, first, position, position + size
            position += size
        else:
            raise ValueError(f"no protocol buffer: wire type {kind}")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def _in_litert(content: bytes) -> list[Located]:
    """In a flatbuffer of LiteRT's schema, `Model.metadata` names one of its `buffers`."""
    model = _Table(content, _number(content, 0))
    buffers = model.tables(4)
    places = [
        buffers[entry.number(1)].vector(0)
        for entry in model.tables(6)
        if entry.bytes(0) == KEY.encode()
    ]
    texts = [(start, start + length) for start, length in places]
    if any(stop > len(content) for _, stop in texts):
        raise ValueError("truncated")
    return [Located(content, start, stop, ((start, stop),)) for start, stop in texts]


class _Table:
    """A table of a flatbuffer: fields by their place in the schema."""

    def __init__(self, content: bytes, position: int):
        self.content, self.position = content, position

    def _field(self, place: int) -> int | None:
        """Position of a field's value; `None` for one that is not there."""
        directory = self.position - _number(self.content, self.position, signed=True)
        entry = 4 + 2 * place
        if entry >= _number(self.content, directory, size=2):
            return None
        offset = _number(self.content, directory + entry, size=2)
        return self.position + offset if offset else None

    def number(self, place: int) -> int:
        at = self._field(place)
        return 0 if at is None else _number(self.content, at)

    def vector(self, place: int) -> tuple[int, int]:
        at = self._field(place)
        if at is None:
            return 0, 0
        at += _number(self.content, at)
        return at + 4, _number(self.content, at)

    def bytes(self, place: int) -> bytes:
        start, length = self.vector(place)
        return self.content[start : start + length]

    def tables(self, place: int) -> list["_Table"]:
        start, length = self.vector(place)
        places = range(start, start + 4 * length, 4)
        return [_Table(self.content, at + _number(self.content, at)) for at in places]


def _number(content: bytes, at: int, size: int = 4, signed: bool = False) -> int:
    if at < 0 or at + size > len(content):
        raise IndexError(f"position {at} of {len(content)} bytes")
    return int.from_bytes(content[at : at + size], "little", signed=signed)
