"""What ties a certificate to the bytes that it lies in: two SHA-256, each of the file's own bytes.

    computation   every byte of the file but its metadata: graph, weights, operators. For a
                  SavedModel the names, sizes and hashes of its files, `assets.extra` apart.
    statement     the certificate's text, in which the digest of the computation stands, with the
                  64 places of this digest itself filled with zeros

No serialiser enters: a reader blanks 64 characters and hashes. Neither is a signature. Who changes
a file on purpose can hash it again; against that, only a bound that is derived again helps.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from lipzoo_catalogue.exported.containers import locate

COMPUTATION, STATEMENT = "computation_sha256", "statement_sha256"
BLANK = "0" * 64

SIDE_FILE = Path("assets.extra") / "lipzoo.certificate.json"
"""Where a SavedModel's certificate stands: the folder that TensorFlow leaves to its users."""


class AlteredFileError(ValueError):
    """An exported file that is not as `lipzoo.export` wrote it, so that its certificate is void."""


def sealed(content: bytes) -> bytes:
    """Returns an ONNX or LiteRT file whose certificate's two digests, so far blank, are filled in.

    The length stays: nothing but the 128 digits is written.
    """
    located = locate(content)
    text = _sealed_text(located.text, sha256_of_parts(located.computation()))
    return content[: located.start] + text + content[located.stop :]


def sealed_text(text: bytes, folder: Path) -> bytes:
    """Returns the certificate's text of a SavedModel with its two digests filled in."""
    return _sealed_text(text, sha256_of_folder(folder))


def sha256_of_parts(parts: Iterable[bytes | memoryview]) -> str:
    """SHA-256 of parts of a file, one behind the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """SHA-256 of the names, sizes and hashes of a SavedModel's files but those of `assets.extra`.

    Lines `NAME<tab>BYTES<tab>SHA-256`, in the order of the names.
    """
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    digest = hashlib.sha256()
    for name in sorted(names):
        path = names[name]
        if path.is_file() and not name.startswith(f"{SIDE_FILE.parent.as_posix()}/"):
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name}\t{path.stat().st_size}\t{found}\n".encode())
    return digest.hexdigest()


def check_digests(where: str | Path, text: bytes, computation: str) -> None:
    """Raises unless a certificate's text is whole and states the computation that was found.

    Raises:
        AlteredFileError: saying which of the two was changed, or that there are no digests.
    """
    stated, statement = _stated(text, COMPUTATION), _stated(text, STATEMENT)
    if stated is None or statement is None:
        raise AlteredFileError(
            f"{where}: expected a certificate with the SHA-256 of the computation and of itself. "
            "Received: one without, as lipzoo 0.1.0 wrote it, which nothing ties to the file. "
            f"{_AGAIN}"
        )
    found = sha256_of_parts([_blanked(text, statement)])
    if found != statement:
        raise AlteredFileError(
            f"{where}: expected the statement that lipzoo.export wrote, of SHA-256 "
            f"{statement}. Received: SHA-256 {found}: the "
            f"certificate's text was changed. {_AGAIN}"
        )
    if computation != stated:
        raise AlteredFileError(
            f"{where}: expected the computation that the certificate is about, of SHA-256 "
            f"{stated}. Received: SHA-256 {computation}: graph, operators or weights "
            "were changed after the export, as by quantising, optimising or saving the file with "
            f"another tool, and the certificate says nothing of the new ones. {_AGAIN}"
        )


_AGAIN = (
    "Export the model again with lipzoo.export; with quantize='int8' for a smaller file with a "
    "certificate of its own"
)


def _sealed_text(text: bytes, computation: str) -> bytes:
    text = _filled(text, COMPUTATION, computation)
    return _filled(text, STATEMENT, sha256_of_parts([text]))


def _filled(text: bytes, name: str, digest: str) -> bytes:
    blank = _field(name, BLANK)
    if text.count(blank) != 1:
        raise ValueError(f"Expected a certificate with a blank {name}. Received: {text!r}")
    return text.replace(blank, _field(name, digest))


def _blanked(text: bytes, statement: str) -> bytes:
    return text.replace(_field(STATEMENT, statement), _field(STATEMENT, BLANK))


def _stated(text: bytes, name: str) -> str | None:
    """The digest that a text states; `None` if it states none, or several."""
    found = re.findall(_field(name, "([0-9a-f]{64})"), text)
    return found[0].decode() if len(found) == 1 else None


def _field(name: str, value: str) -> bytes:
    """As `dump_json` writes it."""
    return f'"{name}": "{value}"'.encode()
