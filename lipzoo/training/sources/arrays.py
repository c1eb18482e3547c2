"""A user's own arrays: .npz archives."""

from pathlib import Path

import numpy as np

from lipzoo.training.npz import read_arrays
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
            splits.append(
                RawSplit(arrays[keys[0]], flat_labels(arrays[keys[1]], f"{path}: {keys[1]}"))
            )
        names = tuple(str(n) for n in arrays["class_names"]) if "class_names" in arrays else ()
        return RawData(str(path), *splits, class_names=names)
    raise DataError(
        f"{path}: expected arrays x_train, y_train (x_val, y_val, x_test, y_test), or "
        f"train_images, train_labels (val_..., test_...), or x, y. "
        f"Received: {', '.join(arrays) or 'none'}"
    )


def flat_labels(labels: np.ndarray, where: str) -> np.ndarray:
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
