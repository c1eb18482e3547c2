"""Data sets for training: splits, class names, units and fingerprint, whatever the source."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipzoo.data.labels import check_labelled, encode_labels
from lipzoo.data.reported_split import reported
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import DataError, RawData, read_source
from lipzoo.data.splits import Split, count_of, cut, duplicates, seen
from lipzoo.validation import values_outside
from lipzoo_catalogue.certified.origin import LeftOut, counted, described

__all__ = ["DataError", "Dataset", "Split", "load_data", "load_examples"]


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test split of one source.

    The model's input is `x / divisor` in float32: images stored as bytes have divisor 255, so
    that a certified radius is in the units of pixels in [0, 1]; all else has divisor 1.

    Args:
        source: the recipe's name of the source.
        kind: `"image"`, `"signal"` or `"table"`.
        train: examples to fit.
        validation: examples on which choices are made.
        test: examples for the reported numbers, read once at the end.
        class_names: name of each label.
        divisor: see above.
        notes: what a reader of the numbers should know (how splits were cut, duplicates).
        feature_names: names of the columns of a table whose columns all have one.
    """

    source: str
    kind: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    divisor: float = 1.0
    notes: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.x.shape[1:])

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def inputs(self, split: Split) -> np.ndarray:
        """The model's float32 inputs for the examples of a split."""
        return scale(split.x, self.divisor)

    @functools.cached_property
    def seen(self) -> np.ndarray:
        """Which test examples also stand in train or validation, booleans of shape `(test,)`.

        They say little about new data: what is reported of the test split is reported of the
        others alone, too.
        """
        return seen(self.test, self.train, self.validation)

    def fingerprint(self) -> str:
        """sha256 over the shapes, types and bytes of all splits and over the class names."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for split in (self.train, self.validation, self.test):
            for array in (split.x, split.y):
                digest.update(f"{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def scale(x: np.ndarray, divisor: float) -> np.ndarray:
    """Returns `x / divisor` in float32.

    Example:

    >>> scale(np.array([0, 255], "uint8"), 255.0)
    array([0., 1.], dtype=float32)
    """
    x = x.astype("float32")
    return x if divisor == 1 else x / np.float32(divisor)


def load_data(settings: DataSettings, labelled: bool = True) -> Dataset:
    """Loads a source and cuts it into training, validation and test split.

    Splits that the source brings are kept. A missing test split is cut first, then a missing
    validation split from what remains; both cuts depend on the data alone, never on the recipe's
    seed. From an official training split (TFDS) the last examples are taken; from other sources
    every class gives its share.

    Args:
        settings: the `[data]` table of a recipe.
        labelled: whether the examples need labels of two classes or more. Without, labels that
            there are share out the cuts all the same.

    Returns:
        A `Dataset`.

    Raises:
        DataError: if the source is missing or malformed; the message says what was expected.
    """
    raw = read_source(settings.source, settings)
    if settings.test is not None:
        other = read_source(settings.test, settings)
        raw = raw.with_test(other.only_split(settings.test))
    _ = raw.training
    if labelled:
        check_labelled(raw)
    names, splits = encode_labels(raw, settings)
    if labelled and len(names) < 2:
        raise DataError(f"{raw.source}: expected at least two classes. Received: {list(names)}")
    kind = _kind(raw, settings)
    splits = {name: _examples(split, kind, raw.source) for name, split in splits.items()}
    train, validation, test = splits["train"], splits.get("validation"), splits.get("test")
    notes = [*raw.notes, *_left_out_notes(raw)]
    if test is None:
        count = count_of(settings.test_size, len(train), "test_size")
        train, test = cut(train, count, raw.ordered, settings.split_by == "content")
        notes.append(f"the source has no test split: {count} examples were cut from it")
    if validation is None:
        count = count_of(settings.validation, len(train), "validation")
        train, validation = cut(train, count, raw.ordered, settings.split_by == "content")
    named = {"train": train, "validation": validation, "test": test}
    for name, split in named.items():
        if split.x.shape[1:] != train.x.shape[1:] or split.x.dtype != train.x.dtype:
            raise DataError(
                f"{raw.source}: expected {name} examples of shape {train.x.shape[1:]} and type "
                f"{train.x.dtype}. Received: shape={split.x.shape[1:]}, dtype={split.x.dtype}"
            )
    notes += duplicates(named)
    divisor = 255.0 if train.x.dtype == np.uint8 else 1.0
    features = feature_names(raw)
    return Dataset(
        raw.source, kind, train, validation, test, names, divisor, tuple(notes), features
    )


def feature_names(raw: RawData) -> tuple[str, ...]:
    """Names of a table's columns, if each has one of its own."""
    names = raw.training.feature_names
    return names if all(names) and len(set(names)) == len(names) else ()


@dataclass(frozen=True)
class FileExamples:
    """The examples of a file or a folder, in its order.

    Args:
        x: inputs in float32.
        y: labels from 0, or `None` where the source has none.
        class_names: name of each label.
        origin: where each example stands, see `RawSplit`.
        left_out: what is no example, see `RawSplit`.
        notes: what a reader of the numbers should know.
        feature_names: as in `Dataset`.
    """

    x: np.ndarray
    y: np.ndarray | None
    class_names: tuple[str, ...] = ()
    origin: np.ndarray | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()


def load_examples(settings: DataSettings) -> FileExamples:
    """Loads the examples of a file or a folder, in its order, with nothing cut off.

    Where it has several splits, these are the examples of the test split.

    Args:
        settings: the `[data]` table of a recipe; the keys about splits do not matter.

    Returns:
        `FileExamples`.

    Raises:
        DataError: as `load_data`.
    """
    names, raw, encoded = reported(read_source(settings.source, settings), settings)
    examples = _examples(encoded, _kind(raw, settings), raw.source)
    x = examples.x
    x = scale(x, 255.0) if x.dtype == np.uint8 else x.astype("float32", copy=False)
    y = None if raw.training.labels is None else examples.y
    left_out, features = raw.training.left_out, feature_names(raw)
    return FileExamples(x, y, names, examples.origin, left_out, raw.notes, features)


def check_columns(names: tuple[str, ...], expected: tuple[str, ...], source: str) -> None:
    """Refuses a table in which a column stands in another place than in the model.

    Names that the model does not know, or the table does not have, say nothing.

    Args:
        names: the columns of the table, or none.
        expected: the features of the model in their order, or none.
        source: for messages.

    Raises:
        DataError: naming the columns.
    """
    moved = [
        name
        for name, feature in zip(names, expected, strict=False)
        if name != feature and (name in expected or feature in names)
    ]
    if moved:
        raise DataError(
            f"{source}: expected the model's columns in its order; in [data], `columns = "
            f"{list(expected)}` takes them in it. Received: {list(names)}"
        )


def _left_out_notes(raw: RawData) -> list[str]:
    """How much of a source is left out, for each of its splits."""
    splits = (("", raw.train), (", validation", raw.validation), (", test", raw.test))
    return [
        f"{counted(split.left_out)} of {Path(raw.source).name}{name} left out: "
        f"{described(split.left_out)}"
        for name, split in splits
        if split is not None and split.left_out
    ]


def _kind(raw: RawData, settings: DataSettings) -> str:
    """What an example is, by recipe, source or shape; no guess where two would fit."""
    shape, dtype = raw.training.x.shape[1:], raw.training.x.dtype
    ranks = {"image": (2, 3), "signal": (1, 2), "table": (1,)}
    if settings.kind != "auto":
        if len(shape) not in ranks[settings.kind]:
            raise DataError(
                f"{settings.source}: expected examples of {ranks[settings.kind]} axes for "
                f"kind = {settings.kind!r}. Received: shape={shape}"
            )
        return settings.kind
    if raw.kind != "auto":
        return raw.kind
    if len(shape) == 3 or (len(shape) == 2 and dtype == np.uint8):
        return "image"
    if len(shape) == 1:
        return "table"
    raise DataError(
        f"{settings.source}: examples of shape {shape} may be grey images or signals: "
        'set kind = "image" or kind = "signal" in [data]'
    )


def _examples(split: Split, kind: str, source: str) -> Split:
    """Checks the values of a split and gives the examples their channel axis."""
    x = split.x
    if len(split) == 0:
        raise DataError(f"{source}: expected examples. Received: an empty split")
    if len(x) != len(split):
        raise DataError(
            f"{source}: expected one label per example. "
            f"Received: {len(x)} examples, {len(split)} labels"
        )
    if x.dtype != np.uint8 or kind != "image":
        if x.dtype.kind not in "biuf":
            raise DataError(f"{source}: expected real numbers. Received: dtype={x.dtype}")
        x = x.astype("float32", copy=False)
        broken = np.count_nonzero(~np.isfinite(x))
        if broken:
            raise DataError(f"{source}: expected finite values. Received: {broken} NaN or infinite")
        if kind == "image":
            outside = values_outside(x, 0.0, 1.0)
            if outside:
                raise DataError(
                    f"{source}: expected pixels as bytes (uint8) or as numbers in [0, 1]. "
                    f"Received: {outside}"
                )
            if x.min() < 0 or x.max() > 1:
                x = np.clip(x, 0, 1)
    if (kind == "image" and x.ndim == 3) or (kind == "signal" and x.ndim == 2):
        x = x[..., None]
    return Split(np.ascontiguousarray(x), split.y, split.origin)
