"""What `lipzoo conformal` prints and writes of sets of classes."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipzoo.data.npz import write_arrays
from lipzoo_catalogue.certified.origin import origin_name
from lipzoo_catalogue.certified.report import SHOWN
from lipzoo_catalogue.files import write_file

# What an .npz file has of the settings.
_NUMBERS = ("alpha", "epsilon", "thresholds")


@dataclass(frozen=True, eq=False)
class SetsReport:
    """Sets of classes, one per example.

    Args:
        about: what holds for all examples.
        members: whether a class is in the set; shape `(examples, classes)`.
        prediction: predicted class of each.
        names: of the classes, or their numbers.
        origin: where each example stands in its source, or `None`.
    """

    about: Mapping[str, npt.ArrayLike]
    members: np.ndarray
    prediction: np.ndarray
    names: Sequence[str]
    origin: np.ndarray | None

    def classes(self, number: int) -> list[str]:
        """The classes in the set of an example."""
        return [self.names[int(j)] for j in np.flatnonzero(self.members[number])]

    def place(self, number: int) -> dict[str, object]:
        """Where an example stands in its source, by what that is called; nothing if unknown."""
        if self.origin is None:
            return {}
        return {origin_name(self.origin): self.origin[number].item()}

    def values(self) -> dict[str, object]:
        """Everything, for JSON."""
        examples = [
            {
                "example": number,
                **self.place(number),
                "prediction": self.names[int(self.prediction[number])],
                "set": self.classes(number),
            }
            for number in range(len(self.members))
        ]
        # JSON has no infinity: what a constant network's threshold is.
        thresholds = np.asarray(self.about["thresholds"]).tolist()
        shown = [value if math.isfinite(value) else str(value) for value in thresholds]
        about = {**self.about, "thresholds": shown}
        return {**about, "class_names": [*self.names], "examples": examples}

    def text(self) -> str:
        """A line an example, for few examples; nothing for many."""
        if len(self.members) > SHOWN:
            return ""
        return "\n".join(
            f"{number:>3}  {', '.join(self.classes(number)) or '(empty)'}"
            for number in range(len(self.members))
        )

    def to_csv(self) -> str:
        """Example, place, prediction, size of the set, and 1 or 0 for every class."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        places = [] if self.origin is None else [origin_name(self.origin)]
        inside = [f"in {name}" for name in self.names]
        writer.writerow(["example", *places, "prediction", "size", *inside])
        for number, row in enumerate(self.members):
            prediction = self.names[int(self.prediction[number])]
            counted = [int(row.sum()), *row.astype(int).tolist()]
            writer.writerow([number, *self.place(number).values(), prediction, *counted])
        return text.getvalue()


def write_sets(path: Path, report: SetsReport) -> None:
    """Writes sets as .csv, .json or .npz, as the ending says, whole or not at all.

    Raises:
        OSError: if the file cannot be written; an existing file is then unchanged.
    """
    if path.suffix == ".npz":
        arrays: dict[str, npt.ArrayLike] = {key: report.about[key] for key in _NUMBERS}
        arrays |= {"members": report.members, "prediction": report.prediction}
        arrays["class_names"] = np.array(report.names)
        if report.origin is not None:
            arrays["origin"] = report.origin
        write_arrays(path, **arrays)
    elif path.suffix == ".json":
        text = json.dumps(report.values(), indent=2, ensure_ascii=False, allow_nan=False)
        write_file(path, f"{text}\n".encode())
    else:
        write_file(path, report.to_csv().encode())
