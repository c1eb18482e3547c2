"""A user's own images: one of them, a folder of them, or a folder with a subfolder per class."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.layout import SPLIT_NAMES
from lipzoo.data.sources.pixels import read_pixels
from lipzoo.data.sources.raw import DataError, RawData, RawSplit
from lipzoo.data.sources.stacks import read_each, stacked
from lipzoo_catalogue.certified.origin import described
from lipzoo_catalogue.image_files import SUFFIXES

# What file managers and archives leave behind; so do names that begin with a dot.
_HIDDEN = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir"}


def read_image(path: Path) -> RawData:
    """One image, without a label."""
    pixels = [read_pixels(path, str(path))]
    x, notes = stacked({"train": pixels})
    split = RawSplit(x["train"], None, np.array([path.name]))
    return RawData(str(path), split, notes=notes, kind="image")


def read_folder(path: Path, settings: DataSettings) -> RawData:
    """Images with a subfolder per class, or images alone; either perhaps in a folder per split.

    A class has the name of its subfolder; images in further folders below are of that class too.
    Splits are folders `train` (`training`), `val` (`valid`, `validation`) and `test` (`testing`).
    Hidden files and folders are skipped; every other file that gives no example is in
    `RawSplit.left_out`.

    Args:
        path: the folder.
        settings: with `missing = "drop"`, images that cannot be read are left out.

    Raises:
        DataError: if there are no images, one cannot be read, or which folders are classes and
            which are splits is not clear.
    """
    folders = _split_folders(path)
    read = {name: _read_split(folder, path, settings) for name, folder in folders.items()}
    x, notes = stacked({name: pixels for name, (pixels, *_) in read.items()})
    parts = {
        name: RawSplit(x[name], labels, origin, left_out)
        for name, (_, labels, origin, left_out) in read.items()
    }
    if path not in folders.values():
        notes += _beside(path)
    return RawData(str(path), **{"train": None, **parts}, notes=notes, kind="image")


def _beside(path) -> tuple[str, ...]:
    """A note on files beside the folders of splits."""
    files = [child for child in _visible(path) if not child.is_dir()]
    images = [file.name for file in files if file.suffix.lower() in SUFFIXES]
    if images:
        raise DataError(
            f"{path}: expected folders of splits alone. Received: {len(images)} images beside "
            f"them, {', '.join(images[:5])}"
        )
    names = ", ".join(file.name for file in files[:5])
    more = f" and {len(files) - 5} more" if len(files) > 5 else ""
    return (f"beside the splits, not read: {names}{more}",) if files else ()


def _split_folders(path) -> dict[str, Path]:
    """The folder of each split, or that of everything under `"train"`."""
    folders = [child for child in _visible(path) if child.is_dir()]
    named = [folder for folder in folders if folder.name.casefold() in SPLIT_NAMES]
    if not named:
        return {"train": path}
    splits = {}
    if len(named) == len(folders):
        for folder in named:
            split = SPLIT_NAMES[folder.name.casefold()]
            if split in splits:
                raise DataError(
                    f"{path}: expected one folder for each split. Received: "
                    f"{splits[split].name} and {folder.name}"
                )
            splits[split] = folder
        return splits
    # A class may be called "train" where others are called "bus" and "tram".
    if any(child.is_dir() for folder in named for child in _visible(folder)):
        others = [folder.name for folder in folders if folder not in named]
        raise DataError(
            f"{path}: expected folders of splits (train, val, test) or of classes. Received: "
            f"{', '.join(folder.name for folder in named)} beside {', '.join(others[:5])}"
        )
    return {"train": path}


def _read_split(folder, root, settings) -> tuple[list, np.ndarray | None, np.ndarray, tuple]:
    """Pixels, labels, names of the files, and what is left out."""
    labels: dict[str | int, Any] = {}

    def entries():
        for file, label in _files_of(folder):
            name = file.relative_to(root).as_posix()
            labels[name] = label
            yield (file if file.suffix.lower() in SUFFIXES else None), str(file), name

    pixels, names, left_out = read_each(entries(), settings)
    if not pixels:
        others = f"none, but {described(left_out)}" if left_out else "none"
        raise DataError(
            f"{folder}: expected one subfolder per class with images, or images alone "
            f"({', '.join(SUFFIXES)}). Received: {others}"
        )
    loose = [name for name in names if labels[name] is None]
    if 0 < len(loose) < len(names):
        raise DataError(
            f"{folder}: expected every image in the subfolder of its class, or no subfolders. "
            f"Received: {len(loose)} images beside the subfolders, {', '.join(map(str, loose[:5]))}"
        )
    found = None if loose else np.array([labels[name] for name in names])
    return pixels, found, np.array(names), left_out


def _files_of(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """All files but hidden ones, with the subfolder that they are in."""
    for child in _visible(folder):
        if child.is_dir():
            for file in _below(child, {folder.resolve()}):
                yield file, child.name
        else:
            yield child, None


def _below(folder, above):
    # A link to a folder above would lead round for ever.
    if folder.resolve() in above:
        return
    for child in _visible(folder):
        if child.is_dir():
            yield from _below(child, above | {folder.resolve()})
        else:
            yield child


def _visible(folder) -> list[Path]:
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from None
    return [
        child
        for child in children
        if not child.name.startswith(".") and child.name.casefold() not in _HIDDEN
    ]
