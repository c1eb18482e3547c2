"""A user's own data: .npz archives, CSV files and folders of images."""

import csv
from pathlib import Path

import numpy as np

from lipzoo.training.npz import read_arrays
from lipzoo.training.settings import DataSettings
from lipzoo.training.sources.raw import DataError, RawData, RawSplit

_NPZ_LAYOUTS = (
    (("x_train", "y_train"), ("x_val", "y_val"), ("x_test", "y_test")),
    (
        ("train_images", "train_labels"),
        ("val_images", "val_labels"),
        ("test_images", "test_labels"),
    ),
    (("x", "y"), None, None),
)


def read_npz(path: Path) -> RawData:
    """Arrays by Keras' names, MedMNIST's names, or `x` and `y`."""
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise DataError(str(error)) from None
    for layout in _NPZ_LAYOUTS:
        if not set(layout[0]) <= set(arrays):
            continue
        splits = []
        for keys in layout:
            if keys is None or keys[0] not in arrays:
                splits.append(None)
                continue
            if keys[1] not in arrays:
                raise DataError(f"{path}: expected an array {keys[1]!r} beside {keys[0]!r}")
            splits.append(RawSplit(arrays[keys[0]], _labels(arrays[keys[1]], f"{path}: {keys[1]}")))
        names = tuple(str(n) for n in arrays["class_names"]) if "class_names" in arrays else ()
        return RawData(str(path), *splits, class_names=names)
    raise DataError(
        f"{path}: expected arrays x_train, y_train (x_val, y_val, x_test, y_test), or "
        f"train_images, train_labels (val_..., test_...), or x, y. "
        f"Received: {', '.join(arrays) or 'none'}"
    )


def _labels(labels: np.ndarray, where: str) -> np.ndarray:
    """Labels as a flat array of integers or strings."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"{where}: expected one label per example. Received: shape={labels.shape}")
    if labels.dtype.kind == "f":
        if not np.array_equal(labels, np.round(labels)):
            raise DataError(f"{where}: expected whole numbers or text. Received: {labels[:5]}")
        labels = labels.astype("int64")
    if labels.dtype.kind not in "iubUS":
        raise DataError(f"{where}: expected whole numbers or text. Received: dtype={labels.dtype}")
    return labels.astype("int64") if labels.dtype.kind in "iub" else labels.astype("U")


def read_csv(path: Path, settings: DataSettings) -> RawData:
    """One example per row; one column is the label; a header is tolerated."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text: {error}") from None
    first_line = text.partition("\n")[0]
    delimiter = next((d for d in ",;\t" if d in first_line), ",")
    rows = [
        (number, [entry.strip() for entry in row])
        for number, row in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), start=1)
        if any(entry.strip() for entry in row)
    ]
    features = slice(0, -1) if settings.label == "last" else slice(1, None)
    column = -1 if settings.label == "last" else 0
    if rows and not any(map(_is_number, rows[0][1][features])):
        rows = rows[1:]
    if not rows or len(rows[0][1]) < 2:
        raise DataError(f"{path}: expected rows with numbers and a label. Received: {first_line!r}")
    width = len(rows[0][1])
    kept, dropped = [], 0
    for number, row in rows:
        if len(row) != width:
            raise DataError(f"{path}, row {number}: expected {width} entries. Received: {len(row)}")
        if any(entry in ("", "?") for entry in row):
            if settings.missing == "error":
                raise DataError(
                    f'{path}, row {number}: an entry is missing. Set missing = "drop" in [data] '
                    "to leave such rows out"
                )
            dropped += 1
            continue
        bad = next((entry for entry in row[features] if not _is_number(entry)), None)
        if bad is not None:
            raise DataError(f"{path}, row {number}: expected a number. Received: {bad!r}")
        kept.append(row)
    if not kept:
        raise DataError(f"{path}: expected rows without missing entries. Received: none")
    x = np.array([row[features] for row in kept], dtype="float64").astype("float32")
    written = [row[column] for row in kept]
    numeric = all(map(_is_number, written))
    labels = _labels(np.array(written, dtype="float64" if numeric else "U"), f"{path}: label")
    notes = (
        (f"{dropped} rows of {path.name} with a missing entry were left out",) if dropped else ()
    )
    return RawData(str(path), RawSplit(x, labels), notes=notes)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
