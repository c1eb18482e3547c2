"""Data sets for training: splits, class names, units and fingerprint, whatever the source."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipzoo.training.settings import DataSettings
from lipzoo.training.sources import DataError, RawData, RawSplit, read_source
from lipzoo.training.splits import Split, count_of, cut, duplicates, seen
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
    """

    source: str
    kind: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    divisor: float = 1.0
    notes: tuple[str, ...] = ()

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


def load_data(settings: DataSettings) -> Dataset:
    """Loads a source and cuts it into training, validation and test split.

    Splits that the source brings are kept. A missing test split is cut first, then a missing
    validation split from what remains; both cuts depend on the data alone, never on the recipe's
    seed. From an official training split (TFDS) the last examples are taken; from other sources
    every class gives its share.

    Args:
        settings: the `[data]` table of a recipe.

    Returns:
        A `Dataset`.

    Raises:
        DataError: if the source is missing or malformed; the message says what was expected.
    """
    raw = read_source(settings.source, settings)
    if settings.test is not None:
        other = read_source(settings.test, settings)
        raw = raw.with_test(other.only_split(settings.test))
    names, train, validation, test = _encode_labels(raw, settings)
    if len(names) < 2:
        raise DataError(f"{raw.source}: expected at least two classes. Received: {list(names)}")
    kind = _kind(train.x, settings)
    splits = [
        None if s is None else _examples(s, kind, raw.source) for s in (train, validation, test)
    ]
    train, validation, test = splits
    notes = [*raw.notes, *_left_out_notes(raw)]
    if test is None:
        count = count_of(settings.test_size, len(train), "test_size")
        train, test = cut(train, count, raw.ordered)
        notes.append(f"the source has no test split: {count} examples were cut from it")
    if validation is None:
        count = count_of(settings.validation, len(train), "validation")
        train, validation = cut(train, count, raw.ordered)
    named = {"train": train, "validation": validation, "test": test}
    for name, split in named.items():
        if split.x.shape[1:] != train.x.shape[1:] or split.x.dtype != train.x.dtype:
            raise DataError(
                f"{raw.source}: expected {name} examples of shape {train.x.shape[1:]} and type "
                f"{train.x.dtype}. Received: shape={split.x.shape[1:]}, dtype={split.x.dtype}"
            )
    notes += duplicates(named)
    divisor = 255.0 if train.x.dtype == np.uint8 else 1.0
    return Dataset(raw.source, kind, train, validation, test, names, divisor, tuple(notes))


@dataclass(frozen=True)
class FileExamples:
    """All examples of a file or a folder, in its order.

    Args:
        x: inputs in float32.
        y: labels from 0, or `None` where the source has none.
        class_names: name of each label.
        origin: where each example stands, see `RawSplit`.
        left_out: what is no example, see `RawSplit`.
    """

    x: np.ndarray
    y: np.ndarray | None
    class_names: tuple[str, ...] = ()
    origin: np.ndarray | None = None
    left_out: tuple[LeftOut, ...] = ()


def load_examples(settings: DataSettings) -> FileExamples:
    """Loads all examples of a file or a folder, in its order, with nothing cut off.

    Args:
        settings: the `[data]` table of a recipe; the keys about splits do not matter.

    Returns:
        `FileExamples`.

    Raises:
        DataError: as `load_data`.
    """
    raw = read_source(settings.source, settings)
    raws = [split for split in (raw.train, raw.validation, raw.test) if split is not None]
    labelled = all(split.labels is not None for split in raws)
    names, *splits = _encode_labels(raw, settings) if labelled else ((), *map(_unlabelled, raws))
    splits = [split for split in splits if split is not None]
    kind = _kind(splits[0].x, settings)
    splits = [_examples(split, kind, raw.source) for split in splits]
    left_out, before = [], 0
    for split in raws:
        left_out += [e._replace(position=before + e.position) for e in split.left_out]
        before += len(split)
    x, y, origin = (_joined([getattr(s, key) for s in splits]) for key in ("x", "y", "origin"))
    x = scale(x, 255.0) if x.dtype == np.uint8 else x.astype("float32", copy=False)
    return FileExamples(x, y if labelled else None, names, origin, tuple(left_out))


def _left_out_notes(raw: RawData) -> list[str]:
    """How much of a source is left out, for each of its splits."""
    splits = (("", raw.train), (", validation", raw.validation), (", test", raw.test))
    return [
        f"{counted(split.left_out)} of {Path(raw.source).name}{name} left out: "
        f"{described(split.left_out)}"
        for name, split in splits
        if split is not None and split.left_out
    ]


def _unlabelled(raw: RawSplit) -> Split:
    return Split(raw.x, np.zeros(len(raw), "int32"), raw.origin)


def _joined(arrays: list) -> np.ndarray | None:
    if any(array is None for array in arrays):
        return None
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _encode_labels(
    raw: RawData, settings: DataSettings
) -> tuple[tuple[str, ...], Split, Split | None, Split | None]:
    """Maps the labels of all splits to 0, 1, ... and names them."""
    splits = (raw.train, raw.validation, raw.test)
    if any(split is not None and split.labels is None for split in splits):
        raise DataError(f"{raw.source}: expected a label for every example. Received: none")
    train_labels = np.unique(raw.train.labels)
    if raw.class_names:
        values = np.arange(len(raw.class_names))
        names = tuple(raw.class_names)
    else:
        values = train_labels
        names = tuple(str(value) for value in values.tolist())
    if settings.label_names:
        unnamed = [name for name in names if name not in settings.label_names]
        if unnamed:
            raise DataError(
                f"{raw.source}: expected labels among {list(settings.label_names)}, which "
                f"[data.label_names] has. Received: {unnamed[:5]}"
            )
        names = tuple(settings.label_names[name] for name in names)
    encoded = []
    for split in splits:
        if split is None:
            encoded.append(None)
            continue
        unknown = np.setdiff1d(split.labels, values)
        if len(unknown):
            raise DataError(
                f"{raw.source}: expected labels among {values.tolist()[:20]}. "
                f"Received: {unknown.tolist()[:5]}"
            )
        y = np.searchsorted(values, split.labels).astype("int32")
        encoded.append(Split(split.x, y, split.origin))
    return names, *encoded


def _kind(x: np.ndarray, settings: DataSettings) -> str:
    """What an example is, from the recipe or from its shape; no guess where two would fit."""
    shape = x.shape[1:]
    ranks = {"image": (2, 3), "signal": (1, 2), "table": (1,)}
    if settings.kind != "auto":
        if len(shape) not in ranks[settings.kind]:
            raise DataError(
                f"{settings.source}: expected examples of {ranks[settings.kind]} axes for "
                f"kind = {settings.kind!r}. Received: shape={shape}"
            )
        return settings.kind
    if len(shape) == 3 or (len(shape) == 2 and x.dtype == np.uint8):
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
        if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool):
            raise DataError(f"{source}: expected numbers. Received: dtype={x.dtype}")
        x = x.astype("float32", copy=False)
        broken = np.count_nonzero(~np.isfinite(x))
        if broken:
            raise DataError(f"{source}: expected finite values. Received: {broken} NaN or infinite")
        if kind == "image" and (x.min() < 0 or x.max() > 1):
            raise DataError(
                f"{source}: expected pixels as bytes (uint8) or as numbers in [0, 1]. "
                f"Received: values from {x.min():g} to {x.max():g}"
            )
    if (kind == "image" and x.ndim == 3) or (kind == "signal" and x.ndim == 2):
        x = x[..., None]
    return Split(np.ascontiguousarray(x), split.y, split.origin)
