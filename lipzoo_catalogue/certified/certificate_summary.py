"""What is counted of certified examples: counts of parts add up to those of the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lipzoo_catalogue.certified.common_settings import check_epsilons, check_settings
from lipzoo_catalogue.certified.part_digest import digest_of
from lipzoo_catalogue.certified.radii import count_above
from lipzoo_catalogue.certified.radius_histogram import RadiusHistogram
from lipzoo_catalogue.certified.summary_json import read_summary, write_summary
from lipzoo_catalogue.certified.summary_table import summary_table


@dataclass(frozen=True, eq=False)
class CertificateSummary:
    """Counts of certified examples, of a fixed size whatever their number.

    Summaries of parts are added, `one + other`; the sum is that of all examples, in any order and
    however they were divided. Everything in it is a count, or a set, so that nothing is rounded.

    Attributes:
        settings: what all parts have in common: the model, hashes of its configuration and weights,
            norm, arithmetic, backend, lipzoo's version.
        epsilons: the radii at which examples are counted, ascending.
        bound: the largest Lipschitz bound that radii of a part rest on, or `None` where the parts
            do not say.
        classes: number of classes.
        class_names: names of the classes, or none.
        labelled: whether there are true classes.
        total: examples of each class, by the true class or, without labels, by the predicted one;
            shape `(classes,)`.
        correct: correctly classified ones among these; without labels all.
        above: those among the correct whose radius exceeds each epsilon; shape
            `(epsilons, classes)`.
        covered: examples whose radius exceeds each epsilon, whatever their class.
        radii: a `RadiusHistogram` of all radii.
        parts: identities of the parts, each of them counted once.

    Example:
        >>> columns = {"prediction": np.array([0, 1, 1]), "radius": np.array([0.1, 0.3, 0.0]),
        ...            "rival": np.array([1, 0, 0]), "labels": np.array([0, 1, 0])}
        >>> summary = CertificateSummary.of(columns, {"model": "m"}, [0.05, 0.2], classes=2)
        >>> summary.certified_accuracy(0.2), summary.above.tolist()
        (0.3333333333333333, [[1, 1], [0, 1]])
        >>> summary + summary
        Traceback (most recent call last):
        ...
        ValueError: Expected every part once. Received: part ... twice...
    """

    settings: Mapping[str, Any]
    epsilons: tuple[float, ...]
    bound: float | None
    classes: int
    class_names: tuple[str, ...]
    labelled: bool
    total: np.ndarray
    correct: np.ndarray
    above: np.ndarray
    covered: np.ndarray
    radii: RadiusHistogram
    parts: frozenset[str]

    @classmethod
    def of(
        cls,
        columns: Mapping[str, np.ndarray],
        settings: Mapping[str, Any],
        epsilons: Sequence[float] | None = None,
        *,
        classes: int,
        class_names: tuple[str, ...] = (),
        bound: float | None = None,
        part: str | None = None,
    ) -> "CertificateSummary":
        """Counts the examples of one part.

        Args:
            columns: prediction, radius, rival and, where they are known, labels.
            settings, classes, class_names, bound: see the attributes.
            epsilons: the radii to count at; `None` for those that a certificate prints.
            part: identity of the part; `None` for a hash of its columns. A part without examples
                needs none.

        Raises:
            ValueError: if an epsilon is no finite number of at least 0, a class is none, or columns
                are not of one length.
        """
        radii = check_epsilons(epsilons, str(settings.get("norm", "l2")))
        shapes = {name: np.shape(column) for name, column in columns.items()}
        examples = len(columns["radius"])
        if any(shape[:1] != (examples,) for shape in shapes.values()):
            raise ValueError(f"Expected columns of one length. Received: {shapes}")
        if not examples:
            # Nothing tells of which type the entries of an empty list would be.
            columns = {
                name: np.empty(0, "float64" if name == "radius" else "int64") for name in columns
            }
        prediction, labels = columns["prediction"], columns.get("labels")
        group = prediction if labels is None else labels
        for name, values in (("prediction", prediction), ("labels", group)):
            if len(values) and not (values.min() >= 0 and values.max() < classes):
                raise ValueError(
                    f"Expected {name} from 0 to {classes - 1}. "
                    f"Received: {values.min()} to {values.max()}"
                )
        counted = np.ones(len(group), bool) if labels is None else prediction == labels
        radius = columns["radius"]
        above = [
            np.bincount(group[counted & (radius > epsilon)], minlength=classes) for epsilon in radii
        ]
        own = digest_of(columns) if part is None else part
        identity = [] if part is None and not examples else [own]
        return cls(
            dict(settings),
            radii,
            bound,
            classes,
            class_names,
            labels is not None,
            np.bincount(group, minlength=classes),
            np.bincount(group[counted], minlength=classes),
            np.array(above, "int64").reshape(len(radii), classes),
            count_above(radius, radii),
            RadiusHistogram.of(radius),
            frozenset(identity),
        )

    def __add__(self, other: "CertificateSummary") -> "CertificateSummary":
        self._check_alike(other)
        twice = sorted(self.parts & other.parts)
        if twice:
            raise ValueError(
                f"Expected every part once. Received: part {twice[0]} twice. Parts that are not "
                "the same, though their examples are, need names of their own: part=..."
            )
        return self._with(other, self.parts | other.parts)

    def continued(self, other: "CertificateSummary", part: str) -> "CertificateSummary":
        """The sum with what follows in the same part, which is then called `part`.

        Raises:
            ValueError: as for a sum, but for parts that come twice.
        """
        self._check_alike(other)
        return self._with(other, frozenset([part]))

    @property
    def examples(self) -> int:
        """Number of examples."""
        return int(self.total.sum())

    @property
    def accuracy(self) -> float | None:
        """Share of correct predictions; `None` without labels, and without examples."""
        counts = self.labelled and self.examples
        return int(self.correct.sum()) / self.examples if counts else None

    def certified_accuracy(self, epsilon: float) -> float:
        """Share of correct predictions with a radius above one of `epsilons`.

        Raises:
            ValueError: without labels or examples, or for an epsilon that was not counted at.
        """
        if not self.labelled:
            raise ValueError("Expected labels. Received: a summary without")
        return self._share(int(self.above[self._number(epsilon)].sum()))

    def coverage(self, epsilon: float) -> float:
        """Share of examples with a radius above one of `epsilons`, whatever their class.

        Raises:
            ValueError: without examples, or for an epsilon that was not counted at.
        """
        return self._share(int(self.covered[self._number(epsilon)]))

    def quantile(self, share: float) -> tuple[float, float]:
        """Two numbers that a quantile of the radii lies between; see `RadiusHistogram`."""
        return self.radii.quantile(share)

    def to_json(self) -> str:
        """As JSON text, which `from_json` reads."""
        return write_summary(vars(self), self.examples)

    @classmethod
    def from_json(cls, text: str) -> "CertificateSummary":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: if it is anything else.
        """
        return cls(**read_summary(text))

    def __str__(self) -> str:
        return summary_table(self)

    def _share(self, count: int) -> float:
        if not self.examples:
            raise ValueError("Expected at least one example. Received: a summary of none")
        return count / self.examples

    def _number(self, epsilon: float) -> int:
        if epsilon not in self.epsilons:
            raise ValueError(
                f"Expected one of the radii that were counted at, {list(self.epsilons)}. "
                f"Received: epsilon={epsilon!r}"
            )
        return self.epsilons.index(epsilon)

    def _check_alike(self, other: "CertificateSummary") -> None:
        check_settings(self._common(), other._common())

    def _common(self) -> dict[str, Any]:
        names = ("epsilons", "classes", "class_names", "labelled")
        return {**self.settings, **{name: getattr(self, name) for name in names}}

    def _with(self, other: "CertificateSummary", parts: frozenset[str]) -> "CertificateSummary":
        bounds = (self.bound, other.bound)
        return replace(
            self,
            # Each part's bound is proven; on another processor it may have been rounded otherwise.
            bound=None if None in bounds else max(bound or 0.0 for bound in bounds),
            total=self.total + other.total,
            correct=self.correct + other.correct,
            above=self.above + other.above,
            covered=self.covered + other.covered,
            radii=self.radii + other.radii,
            parts=parts,
        )
