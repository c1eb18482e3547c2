"""The examples that a user wants certified, read from disk as they are needed."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lipzoo.data.blocks import StoredBlocks
from lipzoo.data.dataset import DataError, check_columns, load_data, load_examples, scale
from lipzoo.data.reported_split import reported
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.arrays import flat_labels, read_npz
from lipzoo.data.sources.raw import RawData, RawSplit
from lipzoo.data.stored_parquet import list_column, read_lists
from lipzoo.data.stored_zarr import read_zarr
from lipzoo_catalogue.certified.origin import LeftOut
from lipzoo_catalogue.model_config import ModelConfig


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
        shape: shape of one example for the model, which has further axes of length 1; `None`: as it
            is stored.
        origin: where each example stands in its source, see `RawSplit`, or `None`.
        left_out: what of the source is no example, see `RawSplit`.
        notes: what a reader of the numbers should know.
    """

    stored: np.ndarray | StoredArray | StoredBlocks
    divisor: float = 1.0
    shape: tuple[int, ...] | None = None
    origin: np.ndarray | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: slice) -> np.ndarray:
        x = self.stored[rows]
        x = x if self.shape is None else x.reshape(len(x), *self.shape)
        return x if self.divisor == 1 else scale(x, self.divisor)


def read_examples(
    data: str, config: ModelConfig, recipe: DataSettings | None = None, labels: str | None = None
) -> tuple[Examples, np.ndarray | StoredArray | None]:
    """Reads examples, and labels if there are any, in the units and the shape of a model.

    An `.npy` file stays on disk, and so do labels in one; of a Zarr folder, and of a Parquet file
    with one column of lists, a chunk, or some thousand rows, are read at a time; everything else
    whole. Bytes (uint8) are divided by 255 for a model whose input is pixels in [0, 1]; axes of
    length 1 that are missing, of channels say, are added, and so is a missing axis of examples. Of
    a source with
    splits the test split is read. Labels are numbers of the model's classes, or their names.

    Args:
        data: path of an `.npy` file, or a data source of recipes, one image among them.
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
    suffix = path.suffix.lower()
    if labels is not None and suffix != ".npy":
        raise DataError(
            "--labels: expected examples in an .npy file, which has no labels of its own. "
            f"Received: {data}"
        )
    settings = DataSettings(data) if recipe is None else replace(recipe, source=data, test=None)
    origin, left_out, notes, flat = None, (), (), False
    if suffix == ".npy":
        x, y = StoredArray(path), None if labels is None else _read_labels(labels, settings, config)
    elif suffix == ".npz":
        x, y, notes = _read_npz(path, settings, config)
    elif suffix == ".zarr":
        x, stated = read_zarr(_existing(path))
        y = None if stated is None else _numbers(stated, path, settings, config)
    elif suffix == ".parquet" and (column := list_column(path)) is not None:
        x, stated = read_lists(path, column, settings.label)
        y = None if stated is None else _numbers(stated, path, settings, config)
        origin, flat = np.arange(1, len(x) + 1), True
    else:
        x, y, origin, left_out, notes = _read_source(settings, path, config)
    examples = in_model_units(x, config, data, flat)
    if len(examples) == 0:
        raise DataError(f"{data}: expected examples. Received: none")
    if flat and len(examples) != len(x):
        raise DataError(
            f"{data}: expected a row for each example. Received: one example of {len(x)} rows"
        )
    if y is not None and len(y) != len(examples):
        raise DataError(
            f"{labels or path}: expected one label per example. "
            f"Received: {len(examples)} examples, {len(y)} labels"
        )
    return replace(examples, origin=origin, left_out=left_out, notes=notes), y


def in_model_units(
    x: np.ndarray | StoredArray | StoredBlocks, config: ModelConfig, where: str, flat: bool = False
) -> Examples:
    """Stored examples in the units and the shape of a model.

    Bytes (uint8) are divided by 255 for a model whose input is pixels in [0, 1]; axes of length 1
    that are missing are added, and so is a missing axis of examples.

    Args:
        x: the examples.
        config: the model's configuration.
        where: what they are called in an error.
        flat: whether an example may be a row of its numbers, the last axis varying first.

    Raises:
        DataError: if their shape does not fit.
    """
    shape = config.input_shape
    if x.shape and not _fits(x.shape[1:], shape) and _fits(x.shape, shape):
        x = x[:][None]
    found = x.shape[1:]
    if not _fits(found, shape) and not (flat and found == (math.prod(shape),)):
        raise DataError(
            f"{where}: expected examples of shape {shape}, as the model takes them. "
            f"Received: shape={found}"
        )
    in_bytes = x.dtype == np.uint8 and config.preprocessing["maximum"] == 1
    return Examples(x, 255.0 if in_bytes else 1.0, None if found == shape else shape)


def _fits(found, shape) -> bool:
    """Whether examples have the shape of the model's, or lack the last axis or all of length 1."""
    lacking = [shape[:-1]] if shape[-1:] == (1,) else []
    return found in (shape, *lacking, tuple(size for size in shape if size != 1))


def _read_npz(path, settings, config):
    """Examples as they are stored: their units are the model's."""
    names, raw, split = reported(read_npz(_existing(path)), settings)
    y = (
        None
        if raw.training.labels is None
        else _classes(names, split.y, path, config, counted=True)
    )
    return split.x, y, raw.notes


def _read_labels(path, settings, config):
    """Labels of an .npy file, which stay on disk if they are the model's own numbers."""
    stored = StoredArray(Path(path))
    known = [*map(str, config.class_names)]
    words = stored.dtype.kind not in "iubf"
    numbered = all(map(str.isdecimal, known)) and known != _counted(config)
    if not words and not (known and (settings.label_names or numbered)):
        return stored
    return _numbers(stored[:], path, settings, config)


def _numbers(labels, path, settings, config) -> np.ndarray:
    """Labels of an array as the model's numbers."""
    raw = RawData(path, RawSplit(labels, flat_labels(labels, path)))
    names, _, split = reported(raw, settings)
    return _classes(names, split.y, path, config, counted=True)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"{path}: no such file")
    return path


def _read_source(settings, path, config):
    """Examples of a file or a folder, or the test split of a data set with a name."""
    if path.exists() or settings.source.startswith("hf:"):
        read = load_examples(settings)
        check_columns(read.feature_names, config.feature_names, settings.source)
        where = read.origin, read.left_out, read.notes
        if read.y is None:
            return read.x, None, *where
        y = _classes(read.class_names, read.y, settings.source, config)
        return read.x, y, *where
    dataset = load_data(settings)
    check_columns(dataset.feature_names, config.feature_names, settings.source)
    y = _classes(dataset.class_names, dataset.test.y, settings.source, config)
    return dataset.inputs(dataset.test), y, dataset.test.origin, (), ()


def _classes(names, y, source, config, counted=False) -> np.ndarray:
    """The model's numbers of classes that the data have by name.

    Args:
        names: their names, those of labels that are numbers too.
        y: numbers of the names.
        source: for messages.
        config: the model's configuration.
        counted: whether labels that are numbers are those of the model, from 0, as they are in
            arrays: then they need not be the names of its classes.
    """
    known = [*map(str, config.class_names)]
    if set(names) <= set(known):
        return np.array([known.index(name) for name in names])[y]
    # Elsewhere numbers are the model's own only if both count from 0: whether a class that has
    # another name is counted from 0, from 1 or otherwise, they do not tell.
    numbers = [int(name) if name.isdecimal() else -1 for name in names]
    inside = all(0 <= number < config.num_classes for number in numbers)
    digits = bool(known) and all(map(str.isdecimal, known))
    if counted and not digits and min(numbers) >= 0:
        if inside:
            return np.array(numbers)[y]
        expected = f"0 to {config.num_classes - 1}" + (f" or {known}" if known else "")
        raise DataError(f"{source}: expected labels from {expected}. Received: {list(names)[:10]}")
    if inside and 0 in numbers and known in ([], _counted(config)):
        return np.array(numbers)[y]
    expected = known or f"0 to {config.num_classes - 1}, counted from 0"
    raise DataError(
        f"{source}: expected classes among {expected}, as the model has them; labels that "
        "are numbers get names by label_names, in [data] of the model's recipe. For other classes "
        "train or fine-tune a model (docs/train.md); examples without labels, such as images that "
        f"lie in one folder, are certified for the model's own. Received: {list(names)}"
    )


def _counted(config):
    return [*map(str, range(config.num_classes))]
