"""Finds the certificate in an exported file, with a few lines for each container format."""

from collections.abc import Iterator
from pathlib import Path

from lipzoo_catalogue.exported.certificate import ExportedCertificate
from lipzoo_catalogue.files import MAX_WEIGHTS_BYTES, parse_json, read_file

KEY = "lipzoo.certificate"
"""Name of the entry: of ONNX' `metadata_props`, or of a LiteRT file's metadata."""

SIDE_FILE = Path("assets.extra") / "lipzoo.certificate.json"
"""Where it stands in a SavedModel: the folder that TensorFlow leaves to its users."""

_LITERT_IDENTIFIER = b"TFL3"


def exported_certificate(path: str | Path) -> ExportedCertificate:
    """Reads the certificate of a network that `lipzoo.export` wrote.

    It needs neither the network's runtime nor its Keras model. Without lipzoo, the same JSON text
    is at `InferenceSession(path).get_modelmeta().custom_metadata_map["lipzoo.certificate"]`
    (ONNX Runtime), in the metadata buffer of that name (LiteRT), or in the file
    `assets.extra/lipzoo.certificate.json` (SavedModel).

    Args:
        path: an ONNX file, a LiteRT file, or the folder of a SavedModel.

    Returns:
        An `ExportedCertificate`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is none of the three, or holds no certificate.

    Example:

    >>> import json, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / SIDE_FILE).parent.mkdir()
    ...     written = ExportedCertificate("tiny", 1.0, (2,), (2,))
    ...     _ = (Path(folder) / SIDE_FILE).write_text(json.dumps(written.to_dict()))
    ...     exported_certificate(folder).lipschitz_bound
    1.0
    """
    path = Path(path).expanduser()
    if path.is_dir():
        if not (path / SIDE_FILE).exists():
            raise ValueError(
                f"Expected a SavedModel that lipzoo.export wrote. Received: {str(path)!r} without "
                f"{SIDE_FILE}"
            )
        text = read_file(path / SIDE_FILE)
    else:
        content = read_file(path, limit=MAX_WEIGHTS_BYTES)
        find = _in_litert if content[4:8] == _LITERT_IDENTIFIER else _in_onnx
        try:
            text = find(content)
        except (IndexError, ValueError, UnicodeDecodeError):
            text = None
        if text is None:
            raise ValueError(
                f"Expected an ONNX or a LiteRT file that lipzoo.export wrote. Received: "
                f"{str(path)!r}, in which no entry {KEY!r} was found"
            )
    return ExportedCertificate.from_dict(parse_json(text, path), path)


def _in_onnx(content: bytes) -> bytes | None:
    """The entry of a `ModelProto`: its field 14 holds pairs of a key (1) and a value (2)."""
    for number, value in _fields(memoryview(content)):
        if number == 14:
            entry = {key: bytes(part) for key, part in _fields(value)}
            if entry.get(1) == KEY.encode():
                return entry.get(2)
    return None


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Numbers and contents of the length-delimited fields of a protocol buffer."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == 0:
            _, position = _varint(message, position)
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        elif kind == 2:
            size, position = _varint(message, position)
            if position + size > len(message):
                raise ValueError("truncated")
            yield tag >> 3, message[position : position + size]
            position += size
        else:
            raise ValueError(f"no protocol buffer: wire type {kind}")


def _varint(message, position):
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def _in_litert(content: bytes) -> bytes | None:
    """The entry of a flatbuffer of LiteRT's schema: `Model.metadata` names one of its `buffers`."""
    model = _Table(content, _number(content, 0))
    buffers = model.tables(4)
    for entry in model.tables(6):
        if entry.bytes(0) == KEY.encode():
            return buffers[entry.number(1)].bytes(0)
    return None


class _Table:
    """A table of a flatbuffer: fields by their place in the schema."""

    def __init__(self, content, position):
        self.content, self.position = content, position

    def _field(self, place):
        """Position of a field's value; `None` for one that is not there."""
        directory = self.position - _number(self.content, self.position, signed=True)
        entry = 4 + 2 * place
        if entry >= _number(self.content, directory, size=2):
            return None
        offset = _number(self.content, directory + entry, size=2)
        return self.position + offset if offset else None

    def number(self, place):
        at = self._field(place)
        return 0 if at is None else _number(self.content, at)

    def _vector(self, place):
        at = self._field(place)
        if at is None:
            return 0, 0
        at += _number(self.content, at)
        return at + 4, _number(self.content, at)

    def bytes(self, place):
        start, length = self._vector(place)
        return self.content[start : start + length]

    def tables(self, place):
        start, length = self._vector(place)
        places = range(start, start + 4 * length, 4)
        return [_Table(self.content, at + _number(self.content, at)) for at in places]


def _number(content, at, size=4, signed=False):
    if at < 0 or at + size > len(content):
        raise IndexError(f"position {at} of {len(content)} bytes")
    return int.from_bytes(content[at : at + size], "little", signed=signed)
