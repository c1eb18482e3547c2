"""What a reader of a source returns."""

from dataclasses import dataclass, replace

import numpy as np

from lipzoo_catalogue.certified.origin import LeftOut


class DataError(ValueError):
    """Data that is missing or malformed; the message says what was expected."""


@dataclass(frozen=True)
class RawSplit:
    """Examples as a source has them.

    Args:
        x: the examples, of shape `(n, ...)`.
        labels: integers or strings of shape `(n,)`, or `None` where the source has none, which is
            enough to certify.
        origin: where each example stands, of shape `(n,)`; it goes through every cut and into every
            report. A table's reader gives row numbers as int64: the line of the file in which the
            row begins, as an editor counts them, from 1 and with the header; without lines
            (Parquet) the record, from 1. A folder's reader gives the files' names as a string
            array: paths relative to the folder that the user named, with `/`. `None` where the
            source has neither: examples are then known by their number alone.
        left_out: the rows or files that are no examples, in their order, each with the number of
            examples before it and the reason in words (`"no entry in column 'age'"`): reports list
            them without a radius, and training says how many there are.
        feature_names: names of the columns of a table that has them.
    """

    x: np.ndarray
    labels: np.ndarray | None
    origin: np.ndarray | None = None
    left_out: tuple[LeftOut, ...] = ()
    feature_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class RawData:
    """What a source holds.

    Args:
        source: name of the source, for messages.
        train: the training split, or everything where the source has no splits; `None` where it has
            others only.
        validation: the source's validation split.
        test: the source's test split.
        class_names: names of the labels 0, 1, ... where the source has them.
        ordered: whether the order of the examples is official, so that splits are cut off its end.
        notes: what a reader of the numbers should know.
        kind: what an example is where the source knows: `"image"`; `"auto"` where it does not.
    """

    source: str
    train: RawSplit | None
    validation: RawSplit | None = None
    test: RawSplit | None = None
    class_names: tuple[str, ...] = ()
    ordered: bool = False
    notes: tuple[str, ...] = ()
    kind: str = "auto"

    @property
    def training(self) -> RawSplit:
        """The training split.

        Raises:
            DataError: if there are others only.
        """
        if self.train is None:
            raise DataError(
                f"{self.source}: expected examples to train on. "
                f"Received: {', '.join(self.splits)} alone"
            )
        return self.train

    def only_split(self, name: str) -> RawSplit:
        """The one split of a source that was named as the test source."""
        if len(self.splits) > 1:
            raise DataError(f"{name}: expected one split in the test source. Received: several")
        (split,) = self.splits.values()
        return split

    @property
    def splits(self) -> dict[str, RawSplit]:
        """The splits that there are."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def with_test(self, test: RawSplit) -> "RawData":
        """The same data with another test split."""
        if self.test is not None:
            raise DataError(
                f"{self.source}: expected no `test` source, for the source has a test split"
            )
        names = self.training.feature_names
        if names and test.feature_names and names != test.feature_names:
            raise DataError(
                f"{self.source}: expected columns {_shown(names)} in the test source, as in the "
                f"training source. Received: {_shown(test.feature_names)}"
            )
        return replace(self, test=test)


def _shown(names: tuple[str, ...]) -> str:
    return f"{list(names[:20])}" + ("" if len(names) <= 20 else ", ...")
