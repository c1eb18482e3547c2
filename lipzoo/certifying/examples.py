"""The examples that a user wants certified, read from disk as they are needed."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lipzoo.training import DataError, load_data
from lipzoo.training.data import load_examples, scale
from lipzoo.training.npz import read_arrays
from lipzoo.training.recipe import DataSettings
from lipzoo_catalogue.certified.origin import LeftOut
from lipzoo_catalogue.config import ModelConfig


class StoredArray:
    """An array in an `.npy` file, of which only the rows that are asked for are in memory.

    Args:
        path: path of the file.

    Raises:
        DataError: if it is no `.npy` file of numbers, or shorter than it says.
    """

    def __init__(self, path: Path):
        if not path.exists():
            raise DataError(f"{path}: no such file")
        self.path = path
        array = self._open()
        self.shape, self.dtype = array.shape, array.dtype

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        # Mapped anew each time: what stays mapped would count as memory of this process.
        return np.array(self._open()[rows])

    def _open(self):
        try:
            return np.lib.format.open_memmap(self.path, mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self.path}: not an .npy file of numbers: {error}") from None


@dataclass(frozen=True)
class Examples:
    """Examples of which a slice is an array in the units and the shape of a model.

    Args:
        stored: the examples as they are stored.
        divisor: what they are divided by.
        channel: whether a last axis of length 1 is added.
        origin: where each example stands in its source, see `RawSplit`, or `None`.
        left_out: what of the source is no example, see `RawSplit`.
    """

    stored: np.ndarray | StoredArray
    divisor: float = 1.0
    channel: bool = False
    origin: np.ndarray | None = None
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: slice) -> np.ndarray:
        x = self.stored[rows]
        x = x[..., None] if self.channel else x
        return x if self.divisor == 1 else scale(x, self.divisor)


def read_examples(
    data: str, config: ModelConfig, recipe: DataSettings | None = None, labels: str | None = None
) -> tuple[Examples, np.ndarray | StoredArray | None]:
    """Reads examples, and labels if there are any, in the units and the shape of a model.

    An `.npy` file stays on disk, and so do labels in one; everything else is read whole. Bytes
    (uint8) are divided by 255 for a model whose input is pixels in [0, 1]; a missing
    channel axis of length 1 is added.

    Args:
        data: path of an `.npy` or `.npz` file, or a data source of recipes.
        config: the model's configuration.
        recipe: how the data that the model was trained on are to be read, its recipe's `[data]`
            table: where a CSV file has its labels, say.
        labels: path of an `.npy` file with the labels of an `.npy` file of examples.

    Returns:
        `Examples`, and labels as integers or `None`.

    Raises:
        DataError: if there is no such data, or they do not fit the model or the labels.
    """
    path = Path(data).expanduser()
    if labels is not None and path.suffix.lower() != ".npy":
        raise DataError(
            "--labels: expected examples in an .npy file, which has no labels of its own. "
            f"Received: {data}"
        )
    if path.suffix.lower() in (".npy", ".npz"):
        x, y = _read_numpy(path, labels)
        origin, left_out = None, ()
    else:
        settings = DataSettings(data) if recipe is None else replace(recipe, source=data, test=None)
        x, y, origin, left_out = _read_source(settings, path, config)
    shape, found = config.input_shape, x.shape[1:]
    channel = found == shape[:-1] and shape[-1:] == (1,)
    if not channel and found != shape:
        raise DataError(
            f"{data}: expected examples of shape {shape}, as the model takes them. "
            f"Received: shape={found}"
        )
    if len(x) == 0:
        raise DataError(f"{data}: expected examples. Received: none")
    if y is not None and len(y) != len(x):
        raise DataError(
            f"{labels or path}: expected one label per example. "
            f"Received: {len(x)} examples, {len(y)} labels"
        )
    in_bytes = x.dtype == np.uint8 and config.preprocessing["maximum"] == 1
    return Examples(x, 255.0 if in_bytes else 1.0, channel, origin, left_out), y


def _read_numpy(path, labels):
    if path.suffix.lower() == ".npy":
        return StoredArray(path), None if labels is None else StoredArray(Path(labels))
    if not path.exists():
        raise DataError(f"{path}: no such file")
    arrays = read_arrays(path)
    for x, y in (("x", "y"), ("x_test", "y_test")):
        if x in arrays:
            return arrays[x], arrays.get(y)
    raise DataError(f"{path}: expected an array x, or x_test. Received: {', '.join(arrays)}")


def _read_source(settings, path, config):
    """All examples of a file or folder; the test split of a data set with a name."""
    if path.exists():
        read = load_examples(settings)
        x, y, names, where = read.x, read.y, read.class_names, (read.origin, read.left_out)
        if y is None:
            return x, None, *where
    else:
        dataset = load_data(settings)
        x, y, names = dataset.inputs(dataset.test), dataset.test.y, dataset.class_names
        where = (dataset.test.origin, ())
    known = [*map(str, config.class_names)]
    if set(names) <= set(known):
        return x, np.array([known.index(name) for name in names])[y], *where
    # Numbers are the model's own only if both count from 0: whether a class that has another name
    # is counted from 0, from 1 or otherwise, they do not tell.
    numbers = [int(name) if name.isdecimal() else -1 for name in names]
    counted = [*map(str, range(config.num_classes))]
    inside = 0 in numbers and all(0 <= number < config.num_classes for number in numbers)
    if inside and known in ([], counted):
        return x, np.array(numbers)[y], *where
    expected = known or f"0 to {config.num_classes - 1}, counted from 0"
    raise DataError(
        f"{settings.source}: expected classes among {expected}, as the model has them; labels that "
        "are numbers get names by label_names, in [data] of the model's recipe. "
        f"Received: {list(names)}"
    )
