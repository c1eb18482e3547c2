"""A user's own images: folders with one subfolder per class."""

from pathlib import Path

import numpy as np

from lipzoo.training.sources.raw import DataError, RawData, RawSplit

_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}


def read_folder(path: Path) -> RawData:
    """One subfolder of images per class, perhaps below `train`, `val` and `test`."""
    folders = {child.name: child for child in sorted(path.iterdir()) if child.is_dir()}
    split_names = {
        "train": "train",
        "val": "validation",
        "validation": "validation",
        "test": "test",
    }
    if "train" in folders and set(folders) <= set(split_names):
        parts = {split_names[name]: _read_classes(folder) for name, folder in folders.items()}
        return RawData(str(path), **parts)
    return RawData(str(path), _read_classes(path))


def _read_classes(path: Path) -> RawSplit:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise DataError(
            f"a folder of images needs Pillow: pip install 'lipzoo[train]' ({error})"
        ) from None
    files = [
        (file, folder.name)
        for folder in sorted(path.iterdir())
        if folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in _IMAGE_SUFFIXES
    ]
    if not files:
        raise DataError(
            f"{path}: expected one subfolder per class with images "
            f"({', '.join(sorted(_IMAGE_SUFFIXES))}). Received: none"
        )
    images = []
    for file, _ in files:
        try:
            with Image.open(file) as image:
                grey = image.mode in ("1", "L")
                images.append(np.asarray(image.convert("L" if grey else "RGB"), dtype="uint8"))
        except (UnidentifiedImageError, OSError) as error:
            raise DataError(f"{file}: not a readable image: {error}") from None
        if images[-1].shape != images[0].shape:
            raise DataError(
                f"{file}: expected images of one size and mode, {images[0].shape} as in "
                f"{files[0][0]}. Received: {images[-1].shape}"
            )
    return RawSplit(np.stack(images), np.array([label for _, label in files]))
