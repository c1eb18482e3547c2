"""What is counted of certified examples: counts of parts add up to those of the whole."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lipzoo_catalogue.certified.counts import check_counts, read_counts
from lipzoo_catalogue.certified.radii import check_radii, count_above
from lipzoo_catalogue.certified.radius_histogram import RadiusHistogram
from lipzoo_catalogue.certified.summary import QUARTILES, SHOWN_EPSILONS
from lipzoo_catalogue.formatting import format_down, format_up

FORMAT_VERSION = 1


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
        values = {
            "format_version": FORMAT_VERSION,
            "settings": dict(self.settings),
            "epsilons": list(self.epsilons),
            "bound": self.bound,
            "classes": self.classes,
            "class_names": list(self.class_names),
            "labelled": self.labelled,
            "examples": self.examples,
            "total": self.total.tolist(),
            "correct": self.correct.tolist(),
            "above": self.above.tolist(),
            "covered": self.covered.tolist(),
            "radii": self.radii.to_json(),
            "parts": sorted(self.parts),
        }
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "CertificateSummary":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: if it is anything else.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            if values["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format_version {values['format_version']}")
            settings, classes = dict(values["settings"]), int(values["classes"])
            epsilons = check_epsilons(values["epsilons"], str(settings.get("norm", "l2")))
            if list(epsilons) != values["epsilons"]:
                raise ValueError(f"epsilons {values['epsilons']}, which do not ascend")
            shapes = {
                "total": (classes,),
                "correct": (classes,),
                "above": (len(epsilons), classes),
                "covered": (len(epsilons),),
            }
            arrays = {name: read_counts(values[name], shapes[name], name) for name in shapes}
            radii = RadiusHistogram.from_json(values["radii"])
            check_counts(**arrays, radii=len(radii))
            return cls(
                settings=settings,
                epsilons=epsilons,
                bound=values["bound"],
                classes=classes,
                class_names=tuple(values["class_names"]),
                labelled=bool(values["labelled"]),
                radii=radii,
                parts=frozenset(values["parts"]),
                **arrays,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"Expected a summary, as CertificateSummary.to_json writes it. Received: {error}"
            ) from None

    def __str__(self) -> str:
        shares = self.certified_accuracy if self.labelled else self.coverage
        what = "certified accuracy" if self.labelled else "radius above"
        lines = [
            f"{self.examples:,} examples in {len(self.parts):,} part"
            f"{'s' if len(self.parts) != 1 else ''}, model '{self.settings.get('model', '')}'"
            + ("" if self.bound is None else f", Lipschitz bound {format_up(self.bound)}"),
            f"{'epsilon':>14}  {what:>18}",
        ]
        if not self.examples:
            return lines[0]
        if self.accuracy is not None:
            lines.append(f"{'clean':>14}  {100 * self.accuracy:>16.2f} %")
        for epsilon in self.epsilons:
            lines.append(f"{epsilon:>14.4g}  {100 * shares(epsilon):>16.2f} %")
        shown = ", ".join(format_down(self.quantile(share)[0], 4) for share in QUARTILES)
        return "\n".join([*lines, f"radius quartiles, at least: {shown}"])

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


def check_settings(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuses a part of other settings.

    Raises:
        ValueError: naming those that differ.
    """
    keys = sorted(expected.keys() | found.keys())
    differing = [key for key in keys if expected.get(key) != found.get(key)]
    if differing:
        wanted, received = (
            ", ".join(f"{key}={values.get(key)!r}" for key in differing)
            for values in (expected, found)
        )
        raise ValueError(f"Expected a part with {wanted}. Received: {received}")


def check_epsilons(epsilons: Sequence[float] | None, norm: str) -> tuple[float, ...]:
    """Radii to count at, ascending and each once; `None`: those that a certificate prints.

    Raises:
        ValueError: if one is no finite number of at least 0.
    """
    radii = SHOWN_EPSILONS[norm] if epsilons is None else epsilons
    return tuple(np.unique(check_radii(radii, "epsilons")).tolist())


def digest_of(columns: Mapping[str, np.ndarray], before: str = "") -> str:
    """SHA-256 of the columns of a part, in hexadecimal digits, behind what came before."""
    digest = hashlib.sha256(before.encode())
    for name in sorted(columns):
        column = np.asarray(columns[name])
        digest.update(f"{name}{column.shape}".encode())
        if column.dtype.kind in "OUST":
            digest.update(json.dumps([_text(value) for value in column.tolist()]).encode())
        elif column.dtype.kind in "cV":
            digest.update(np.ascontiguousarray(column).tobytes())
        else:
            kind = "<f8" if column.dtype.kind == "f" else "<i8"
            digest.update(np.ascontiguousarray(column, kind).tobytes())
    return digest.hexdigest()


def _text(value: Any) -> str:
    """An entry of a column as text; of an array a hash, since NumPy shortens its text."""
    entry: Any = value
    if isinstance(value, np.ndarray):
        return digest_of({"": entry})
    if isinstance(value, dict):
        return str([(str(key), _text(entry[key])) for key in entry])
    return str([_text(one) for one in entry]) if isinstance(value, list | tuple) else str(entry)
