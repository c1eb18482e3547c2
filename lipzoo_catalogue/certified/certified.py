"""Certified examples, gathered piece by piece: the same answers as a `Certificate`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lipzoo_catalogue.certified.origin import LeftOut, between
from lipzoo_catalogue.certified.protocols import CertificateLike
from lipzoo_catalogue.certified.radii import accuracy_above, count_above
from lipzoo_catalogue.certified.report import SHOWN, CertificateReport
from lipzoo_catalogue.certified.summary import QUARTILES, Summary, summary_of
from lipzoo_catalogue.certified.terms import Terms

# Examples whose report is text in memory at a time.
ROWS = 65_536


def columns_of(certificate: CertificateLike) -> dict[str, np.ndarray]:
    """The columns of a `Certificate` that are kept: about 32 bytes an example."""
    names = [
        "radius",
        "prediction",
        "rival",
        *(["labels"] if certificate.labels is not None else ()),
    ]
    columns = {name: np.asarray(getattr(certificate, name)) for name in names}
    if certificate.feature_radii:
        columns["feature_radii"] = np.column_stack([*certificate.feature_radii.values()])
    return columns


def joined(pieces: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Columns of numbers, one piece behind the other.

    Raises:
        ValueError: see `check_alike`.

    Example:
        >>> joined([{"radius": np.array([0.3])}, {"radius": np.array([0.1])}])["radius"].tolist()
        [0.3, 0.1]
    """
    for piece in pieces:
        check_alike(pieces[0], piece)
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def check_alike(first: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> None:
    """Refuses a piece with other columns than the first, or other types or row shapes.

    Texts may be of any length.

    Raises:
        ValueError: see there.
    """
    known, found = (
        {
            name: ("text" if column.dtype.kind == "U" else column.dtype.str, column.shape[1:])
            for name, column in piece.items()
        }
        for piece in (first, other)
    )
    if found != known:
        raise ValueError(f"Expected columns {known}. Received: {found}")


@dataclass(frozen=True, eq=False)
class Certified:
    """Certified examples.

    Args:
        terms: what holds for all examples.
        columns: radius, prediction, rival, labels, feature_radii, and row or file, as far as there
            are any.
        first: number of the first example in the data set.
        left_out: what of the data set is no example, among these.
    """

    terms: Terms
    columns: Mapping[str, np.ndarray]
    first: int = 0
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.columns["radius"])

    @property
    def labelled(self) -> bool:
        """Whether the true classes are known."""
        return "labels" in self.columns

    @property
    def accuracy(self) -> float | None:
        """Share of correct predictions; `None` without labels."""
        return float(np.mean(self._correct())) if self.labelled else None

    def kept(self, radius: float) -> int:
        """Number of examples with a larger radius."""
        return int(count_above(self.columns["radius"], radius))

    def coverage(self, radius: float) -> float:
        """Share of examples with a larger radius; see `Certificate.coverage`."""
        return self.kept(radius) / len(self)

    def certified_accuracy(self, radius: float) -> float:
        """Share of correct predictions with a larger one; see `Certificate.certified_accuracy`."""
        return int(count_above(self.columns["radius"][self._correct()], radius)) / len(self)

    def selective_accuracy(self, radius: float) -> float | None:
        """Accuracy of the predictions with a larger radius; `None` where there are none."""
        share = float(accuracy_above(self.columns["radius"], self._correct(), radius))
        return None if math.isnan(share) else share

    def report(self, abstain_below: float, first: int = 0, stop: int = SHOWN) -> CertificateReport:
        """The report of some examples, by default those that a printed report shows."""
        read = {name: column[first:stop] for name, column in self.columns.items()}
        features = read.get("feature_radii", np.empty((0, 0))).T
        stop = min(stop, len(self))
        left_out = between(
            self.left_out, self.first + first, self.first + stop, last=stop == len(self)
        )
        return CertificateReport(
            read["prediction"],
            read["radius"],
            read["rival"],
            read["radius"] <= abstain_below,
            read.get("labels"),
            self.terms.class_names,
            abstain_below,
            self.terms.norm,
            self.terms.units,
            dict(zip(self.terms.feature_names, features, strict=True)),
            self.first + first,
            read.get("row", read.get("file")),
            left_out if self.left_out else None,
            self.terms.domain,
        )

    def reports(self, abstain_below: float) -> Iterator[CertificateReport]:
        """The report of all examples, piece by piece."""
        for first in range(0, len(self), ROWS):
            yield self.report(abstain_below, first, first + ROWS)

    def summary(self) -> str:
        """The table that a `Certificate` prints."""
        return str(self.outline())

    def outline(self) -> Summary:
        """What a `Certificate` says of itself in some lines."""
        share = self.certified_accuracy if self.labelled else self.coverage
        return summary_of(
            self.terms,
            len(self),
            self.accuracy,
            lambda radii: [share(radius) for radius in radii],
            np.quantile(self.columns["radius"], QUARTILES, method="lower"),
        )

    def _correct(self) -> np.ndarray:
        return self.columns["prediction"] == self.columns["labels"]
