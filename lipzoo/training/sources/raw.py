"""What a reader of a source returns."""

from dataclasses import dataclass, replace

import numpy as np


class DataError(ValueError):
    """Data that is missing or malformed; the message says what was expected."""


@dataclass(frozen=True)
class RawSplit:
    """Examples `x` of shape `(n, ...)` and their labels, integers or strings, of shape `(n,)`."""

    x: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class RawData:
    """What a source holds.

    Args:
        source: name of the source, for messages.
        train: the training split, or everything where the source has no splits.
        validation: the source's validation split.
        test: the source's test split.
        class_names: names of the labels 0, 1, ... where the source has them.
        ordered: whether the order of the examples is official, so that splits are cut off its end.
        notes: what a reader of the numbers should know.
    """

    source: str
    train: RawSplit
    validation: RawSplit | None = None
    test: RawSplit | None = None
    class_names: tuple[str, ...] = ()
    ordered: bool = False
    notes: tuple[str, ...] = ()

    def only_split(self, name: str) -> RawSplit:
        """The one split of a source that was named as the test source."""
        if self.validation is not None or self.test is not None:
            raise DataError(f"{name}: expected one split in the test source. Received: several")
        return self.train

    def with_test(self, test: RawSplit) -> "RawData":
        """The same data with another test split."""
        if self.test is not None:
            raise DataError(
                f"{self.source}: expected no `test` source, for the source has a test split"
            )
        return replace(self, test=test)
