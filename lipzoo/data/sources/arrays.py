"""A user's own arrays: .npz archives and .npy files."""

from pathlib import Path

import numpy as np

from lipzoo.data.npz import read_arrays
from lipzoo.data.sources.raw import DataError, RawData, RawSplit

# Names of examples and labels of each split: Keras', MedMNIST's, and those without splits.
_LAYOUTS = (
    {
        "train": ("x_train", "y_train"),
        "validation": ("x_val", "y_val"),
        "test": ("x_test", "y_test"),
    },
    {
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
    {"train": ("x", "y")},
)


def read_npz(path: Path) -> RawData:
    """Arrays by Keras' names, MedMNIST's names, or `x` and `y`; labels may be missing.

    Raises:
        DataError: if the file is damaged, or has no array of examples, those of two namings, or
            labels without examples.
    """
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise DataError(str(error)) from None
    layouts = [layout for layout in _LAYOUTS if any(name in arrays for name, _ in layout.values())]
    if len(layouts) != 1:
        raise DataError(
            f"{path}: expected arrays x_train, y_train (x_val, y_val, x_test, y_test), or "
            f"train_images, train_labels (val_..., test_...), or x, y. "
            f"Received: {', '.join(arrays) or 'none'}"
        )
    splits: dict[str, RawSplit] = {}
    read = {"class_names"}
    for split, (x, y) in layouts[0].items():
        if x in arrays:
            labels = flat_labels(arrays[y], f"{path}: {y}") if y in arrays else None
            splits[split] = RawSplit(arrays[x], labels)
        elif y in arrays:
            raise DataError(f"{path}: expected an array {x!r} beside {y!r}")
        read |= {x, y}
    unread = [name for name in arrays if name not in read]
    notes = (f"arrays that were not read: {', '.join(unread)}",) if unread else ()
    names = tuple(str(n) for n in arrays["class_names"]) if "class_names" in arrays else ()
    train, validation, test = map(splits.get, ("train", "validation", "test"))
    return RawData(str(path), train, validation, test, names, notes=notes)


def read_npy(path: Path) -> RawData:
    """An array of examples without labels.

    Raises:
        DataError: if the file is damaged or holds objects.
    """
    try:
        with open(path, "rb") as file:
            x = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not an .npy file of numbers: {error}") from None
    if x.ndim < 2:
        raise DataError(f"{path}: expected examples of shape (n, ...). Received: shape={x.shape}")
    return RawData(str(path), RawSplit(x, None))


def flat_labels(labels: np.ndarray, where: str) -> np.ndarray:
    """Labels as a flat array of integers or strings; one-hot rows are their columns' numbers."""
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and _are_one_hot(labels):
        labels = labels.argmax(axis=1)
    if labels.ndim != 1:
        raise DataError(f"{where}: expected one label per example. Received: shape={labels.shape}")
    if labels.dtype.kind == "f":
        if not np.array_equal(labels, np.round(labels)):
            raise DataError(f"{where}: expected whole numbers or text. Received: {labels[:5]}")
        labels = labels.astype("int64")
    if labels.dtype.kind not in "iubUS":
        raise DataError(f"{where}: expected whole numbers or text. Received: dtype={labels.dtype}")
    return labels.astype("int64") if labels.dtype.kind in "iub" else labels.astype("U")


def _are_one_hot(labels) -> bool:
    numbers = labels.dtype.kind in "biuf" and labels.size > 0
    return numbers and bool(np.all((labels == 0) | (labels == 1)) and np.all(labels.sum(1) == 1))
