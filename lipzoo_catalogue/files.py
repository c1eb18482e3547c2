"""Reading and writing the files of a model: sizes and hashes checked, nothing half-written."""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CERTIFICATE = "certificate.json"
METRICS = "metrics.json"
RECIPE = "recipe.toml"
CURVES = "curves.png"
CARD = "card.toml"
MODEL_FILES = (CONFIG, WEIGHTS, CERTIFICATE, METRICS, RECIPE, CURVES, CARD)

# Far above what any file of the kind needs; what is larger is not read at all.
MAX_JSON_BYTES = 4 * 2**20
MAX_WEIGHTS_BYTES = 2 * 2**30


@dataclass(frozen=True)
class FileRecord:
    """What a registry or a certificate states of a file: its SHA-256 and its size.

    Args:
        sha256: 64 lower-case hexadecimal digits.
        bytes: size of the file.
    """

    sha256: str
    bytes: int


def sha256_of(content: bytes) -> str:
    """Returns the SHA-256 of `content` in hexadecimal digits.

    >>> sha256_of(b"")[:16]
    'e3b0c44298fc1c14'
    """
    return hashlib.sha256(content).hexdigest()


def record_of(content: bytes) -> FileRecord:
    """Returns the `FileRecord` of `content`."""
    return FileRecord(sha256_of(content), len(content))


def largest_size(file: str | Path) -> int:
    """Returns the largest size, in bytes, that a file of this ending is read with.

    >>> largest_size("config.json") == MAX_JSON_BYTES
    True
    """
    return MAX_WEIGHTS_BYTES if str(file).endswith(".safetensors") else MAX_JSON_BYTES


def read_file(
    path: str | Path, record: FileRecord | None = None, limit: int | None = None
) -> bytes:
    """Reads a file once and checks what was read, so that the checked bytes are the used ones.

    Args:
        path: path of the file.
        record: expected hash and size, or `None` where nothing is known.
        limit: largest size that is read, in bytes. Default: by the file's ending.

    Returns:
        The content, as `bytes`.

    Raises:
        FileNotFoundError: if there is no such file.
        PermissionError: if it may not be read.
        ValueError: if the size or the hash differs from the record, or the file is too large.
    """
    path = Path(path)
    limit = largest_size(path) if limit is None else limit
    try:
        size = path.stat().st_size
        if record is not None and size != record.bytes:
            raise ValueError(
                f"{path} is truncated or altered: expected {record.bytes} bytes. "
                f"Received: {size} bytes"
            )
        if size > limit:
            raise ValueError(
                f"{path} is too large: expected at most {limit} bytes. Received: {size}"
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"Expected a file {str(path)!r}, which does not exist") from None
    except PermissionError:
        raise PermissionError(f"No permission to read {str(path)!r}") from None
    except (IsADirectoryError, NotADirectoryError):
        raise FileNotFoundError(f"Expected {str(path)!r} to be a file") from None
    if record is not None and sha256_of(content) != record.sha256:
        raise ValueError(
            f"{path} was altered: expected SHA-256 {record.sha256}. Received: {sha256_of(content)}"
        )
    return content


def parse_json(content: bytes, where: str | Path) -> dict[str, Any]:
    """Parses one JSON object, strictly: no duplicate keys, no NaN or infinity.

    Args:
        content: UTF-8 text.
        where: name of the file, for errors.

    Raises:
        ValueError: if `content` is not such an object.

    >>> parse_json(b'{"a": 1}', "example.json")
    {'a': 1}
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)!r} stands twice")
        return result

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a JSON number")

    try:
        values: object = json.loads(
            content.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where}: expected a JSON object: {error}. Received: {_excerpt(content)}"
        ) from None
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected a JSON object. Received: {_excerpt(content)}")
    return cast(dict[str, Any], values)


def dump_json(values: Mapping[str, object]) -> bytes:
    """Returns `values` as indented UTF-8 JSON with a final newline.

    >>> print(dump_json({"a": 1}).decode(), end="")
    {
      "a": 1
    }
    """
    return (json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_file(path: str | Path, content: bytes) -> FileRecord:
    """Writes a file atomically: a reader, or a kill, sees the old content or the new one.

    Returns:
        The `FileRecord` of what was written.

    Raises:
        OSError: if the file cannot be written; an existing file is then unchanged.
    """
    with replacing(path) as file:
        file.write(content)
    return record_of(content)


@contextlib.contextmanager
def replacing(path: str | Path) -> Generator[BinaryIO]:
    """Context with a new binary file that takes the place of `path` at the end, if all went well.

    Raises:
        OSError: if the file cannot be written; an existing file is then unchanged.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise _not_written(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_folder(folder: str | Path, files: Mapping[str, bytes | None]) -> None:
    """Writes the files of a folder together.

    Everything is written into a temporary folder beside `folder` first, so that a full disk or a
    missing permission shows before anything is touched. A new folder then appears in one step. In
    an existing one the files are exchanged one by one in the given order, other files stay, and if
    an exchange fails the earlier ones are undone; name the file that vouches for the others last.

    Args:
        folder: path of the folder. Its parents are created.
        files: content by file name; `None` removes the file of that name.

    Raises:
        OSError: if the folder cannot be written; its content is then unchanged.
    """
    folder = Path(os.path.abspath(folder))
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"Expected a folder. Received: {str(folder)!r}, which is a file")
    staging = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        staging.mkdir(parents=True)
        for name, content in files.items():
            if content is not None:
                write_file(staging / name, content)
        if folder.exists():
            _exchange(staging, folder, files)
        else:
            os.replace(staging, folder)
    except OSError as error:
        raise _not_written(folder, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _exchange(staging: Path, folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Moves the staged files into `folder`, keeping the old ones aside until all are there."""
    moved: list[tuple[Path | None, Path]] = []
    try:
        for name, content in files.items():
            target, old = folder / name, staging / f"{name}.old"
            if target.exists():
                os.replace(target, old)
                moved.append((old, target))
            if content is not None:
                os.replace(staging / name, target)
                moved.append((None, target))
    except BaseException:
        for old, target in reversed(moved):
            with contextlib.suppress(OSError):
                target.unlink() if old is None else os.replace(old, target)
        raise


def _not_written(path: Path, error: OSError) -> OSError:
    """Returns an error of the same kind that says what was to be written."""
    if error.errno is None or str(error.strerror).startswith("Cannot write"):
        return error
    reason = f"Cannot write {str(path)!r}, which is unchanged: {error.strerror}"
    return OSError(error.errno, reason)


def _excerpt(content: bytes) -> str:
    text = content[:60].decode("utf-8", errors="replace")
    return repr(text + ("…" if len(content) > 60 else ""))
