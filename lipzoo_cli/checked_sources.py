"""Data sources and files as far as their addresses, endings and first bytes tell, without Keras."""

import zipfile
from pathlib import Path

from lipzoo_catalogue.hub.location import HubLocation

_SCHEMES = ("tfds", "sklearn", "generated", "hf")
# What files of these endings begin with.
_BEGIN = {".npy": b"\x93NUMPY", ".parquet": b"PAR1", ".pq": b"PAR1"}
_ZIP = (".npz", ".keras")


def check_source(source: str | None) -> None:
    """Raises for a data source that is not there, or a file that is not what its ending says.

    Args:
        source: an address or a path; `None` for none.

    Raises:
        ValueError: for an address that names nothing, or a file that begins otherwise.
        FileNotFoundError: if there is no such file or folder.

    Example:
        >>> check_source("hf:mnist")
        Traceback (most recent call last):
        ValueError: hf:mnist: expected 'hf:OWNER/NAME'. Received: repo='mnist'
    """
    if source is None:
        return
    scheme, colon, name = source.partition(":")
    if colon and scheme in _SCHEMES:
        if scheme == "hf" and (
            name.startswith((".", "/", "~")) or Path(name).expanduser().exists()
        ):
            _check_exists(source, name)
        else:
            _check_address(scheme, name)
        return
    _check_exists(source, source)
    check_content(source)


def check_content(file: str) -> None:
    """Raises for a file that does not begin as those of its ending do.

    Raises:
        ValueError: naming the file.
    """
    path = Path(file).expanduser()
    suffix = path.suffix.lower()
    if not path.is_file():
        return
    if suffix in _ZIP and not zipfile.is_zipfile(path):
        raise ValueError(f"{file}: expected a {suffix} file. Received: it is no zip archive")
    if suffix in _BEGIN:
        with path.open("rb") as opened:
            begin = opened.read(len(_BEGIN[suffix]))
        if begin != _BEGIN[suffix]:
            raise ValueError(f"{file}: expected a {suffix} file. Received: it begins with {begin}")


def _check_exists(source: str, path: str) -> None:
    if not Path(path).expanduser().exists():
        raise FileNotFoundError(
            f"{source}: no such file or folder. Expected the path of one, or an address such as "
            "tfds:NAME or sklearn:NAME"
        )


def _check_address(scheme: str, name: str) -> None:
    if not name:
        raise ValueError(f"Expected '{scheme}:NAME'. Received: '{scheme}:'")
    if scheme == "hf":
        path, _, revision = name.partition("@")
        repository = "/".join(path.split("/")[:2])
        try:
            HubLocation(repository, revision or None)
        except ValueError as error:
            received = str(error).partition("Received: ")[2] or str(error)
            raise ValueError(f"hf:{name}: expected 'hf:OWNER/NAME'. Received: {received}") from None
