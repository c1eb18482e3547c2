"""Reading .npz files without pickle, closed again whatever they hold; writing them whole."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipzoo_catalogue.files import write_file

_ERRORS = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz file by name.

    Raises:
        ValueError: if the file is damaged, is no .npz file, or holds objects.
    """
    try:
        # np.load closes a file that it opened itself only if the file is sound.
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no zip archive")
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            return {key: archive[key] for key in archive.files}
    except _ERRORS as error:
        raise ValueError(f"{path}: not an .npz file of plain arrays: {error}") from None


def write_arrays(path: Path, **arrays: npt.ArrayLike) -> None:
    """Writes arrays by name as an .npz file, atomically.

    Raises:
        OSError: if the file cannot be written; an existing file is then unchanged.
    """
    content = io.BytesIO()
    np.savez(content, **arrays)  # pyright: ignore[reportArgumentType] -- no array is `allow_pickle`
    write_file(path, content.getvalue())
