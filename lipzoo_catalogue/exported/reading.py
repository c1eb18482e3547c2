"""Reads the certificate of an exported file, if it belongs to the file's bytes."""

from pathlib import Path

from lipzoo_catalogue.exported.certificate import ExportedCertificate
from lipzoo_catalogue.exported.containers import KEY, locate
from lipzoo_catalogue.exported.digest import (
    SIDE_FILE,
    check_digests,
    sha256_of_folder,
    sha256_of_parts,
)
from lipzoo_catalogue.files import MAX_WEIGHTS_BYTES, parse_json, read_file


def exported_certificate(path: str | Path) -> ExportedCertificate:
    """Reads the certificate of a network that `lipzoo.export` wrote, and checks that it fits.

    The certificate states two SHA-256, of the file's computation (every byte but its metadata) and
    of its own text, so that a file which was quantised, optimised, edited or saved again by another
    tool is refused. That finds changes, not forgery: it is no signature, and who writes a file can
    hash it. `lipzoo verify FILE --model MODEL` compares the file with a model that you trust.

    A runtime's own graph optimisation happens in memory when a session begins and leaves the file
    as it is: the certificate stays, and the rounding of what was fused or folded is of the kind
    that `not_proven` names. A file that a runtime writes after optimising is another one.

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
        AlteredFileError: a `ValueError`, if the computation or the certificate was changed after
            the export, saying which; or if the certificate is of lipzoo 0.1.0's first format, which
            states no digests.

    Example:

    >>> import tempfile
    >>> from lipzoo_catalogue.exported.digest import sealed_text
    >>> from lipzoo_catalogue.files import dump_json
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / SIDE_FILE).parent.mkdir()
    ...     written = dump_json(ExportedCertificate("tiny", 1.0, (2,), (2,)).to_dict())
    ...     _ = (Path(folder) / SIDE_FILE).write_bytes(sealed_text(written, Path(folder)))
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
        text, computation = read_file(path / SIDE_FILE), sha256_of_folder(path)
    else:
        try:
            located = locate(read_file(path, limit=MAX_WEIGHTS_BYTES))
        except ValueError as error:
            raise ValueError(
                f"Expected an ONNX or a LiteRT file that lipzoo.export wrote, with one entry "
                f"{KEY!r}. Received: {str(path)!r}: {error}"
            ) from None
        text, computation = located.text, sha256_of_parts(located.computation())
    check_digests(path, text, computation)
    return ExportedCertificate.from_dict(parse_json(text, path), path)
