"""Certified examples on disk: the same answers as a `Certificate`, in constant memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lipzoo_catalogue.certified.columns import Columns
from lipzoo_catalogue.certified.counts import Counts
from lipzoo_catalogue.certified.origin import LeftOut, between
from lipzoo_catalogue.certified.report import SHOWN, CertificateReport
from lipzoo_catalogue.certified.summary import QUARTILES, SHOWN_EPSILONS, summary_of
from lipzoo_catalogue.certified.terms import Terms


def columns_of(certificate) -> dict[str, np.ndarray]:
    """The columns of a `Certificate` that are kept."""
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


@dataclass(frozen=True)
class Certified:
    """Certified examples in columns on disk.

    Args:
        terms: what holds for all examples.
        columns: radius, prediction, rival, labels, feature_radii, and row or file, as far as there
            are any.
        first: number of the first example in the data set.
        left_out: what of the data set is no example, among these.
    """

    terms: Terms
    columns: Columns
    first: int = 0
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def labelled(self) -> bool:
        """Whether the true classes are known."""
        return "labels" in self.columns

    def report(self, abstain_below: float, first: int = 0, stop: int = SHOWN) -> CertificateReport:
        """The report of some examples, by default those that a printed report shows."""
        read = {name: self.columns.read(name, first, stop) for name in self.columns.names}
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
        )

    def reports(self, abstain_below: float) -> Iterator[CertificateReport]:
        """The report of all examples, piece by piece."""
        for first, stop in self.columns.pieces():
            yield self.report(abstain_below, first, stop)

    def counts(self, *radii: float) -> Counts:
        """Counts at some radii, and at those that the summary shows."""
        counts = Counts([*radii, *SHOWN_EPSILONS[self.terms.norm]], self.labelled)
        for report in self.reports(0.0):
            correct = report.prediction == report.labels if self.labelled else None
            counts.add(report.radius, correct)
        return counts

    def summary(self, counts: Counts) -> str:
        """The table that a `Certificate` prints."""
        share = counts.certified_accuracy if self.labelled else counts.coverage
        return summary_of(
            self.terms,
            len(self),
            counts.accuracy,
            lambda radii: [share(radius) for radius in radii],
            self.columns.quantiles("radius", QUARTILES),
        )
