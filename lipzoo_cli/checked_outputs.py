"""Files that a command is to write, checked before any work."""

import importlib.util
from pathlib import Path

from lipzoo_catalogue.installing import how_to_install


def check_parent(path: str | None, option: str) -> None:
    """Refuses a path in a folder that does not exist.

    Raises:
        ValueError: naming the option.
    """
    if path is not None and not Path(path).absolute().parent.is_dir():
        raise ValueError(f"{option}: expected a folder that exists. Received: {path}")


def check_html(path: str | None, option: str) -> None:
    """Refuses, before any work, a page that cannot be written.

    Raises:
        ValueError: for another ending than .html, or a folder that does not exist.
    """
    if path is not None and Path(path).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{option}: expected an .html file. Received: {path}")
    check_parent(path, option)


def refuse_existing(path: Path) -> None:
    """Raises `FileExistsError` for the path of a file that is to be new."""
    if path.exists():
        raise FileExistsError(f"{path} is there already and stays as it is; choose another --out")


def check_matplotlib(what: str) -> None:
    """Raises `ImportError` where a figure cannot be drawn."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(f"{what}: {how_to_install('plots')}")
