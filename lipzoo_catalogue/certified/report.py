"""A certificate example by example: as a table, as CSV, as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lipzoo_catalogue.certified.csv_text import cell, few_texts
from lipzoo_catalogue.certified.origin import LeftOut, origin_name
from lipzoo_catalogue.certified.protocols import CertificateLike
from lipzoo_catalogue.certified.radii import check_radii
from lipzoo_catalogue.formatting import format_down
from lipzoo_catalogue.markup import paragraph, table

# A longer table is cut in print; CSV and JSON are whole.
SHOWN = 20


@dataclass(frozen=True, eq=False)
class CertificateReport:
    """What there is to decide about each example.

    Printed, it is a table; `to_csv()` and `to_json()` give all of it to other programs. It is made
    by `Certificate.report`.

    Attributes:
        prediction: predicted class, shape `(examples,)`.
        radius: certified radius.
        rival: the class that the prediction is nearest to changing to, -1 for none.
        abstains: whether the prediction is not relied on, since its radius is at most
            `abstain_below`.
        labels: true classes, or `None`.
        class_names: names of the classes, or none.
        abstain_below: see above.
        norm: norm of the radii.
        units: their units, as the model states them.
        feature_radii: certified radius of each feature alone by the feature's name, see
            `Certificate.feature_radii`; none but for tables in standard deviations.
        first: number of the first example, where these are some of more.
        origin: where each example stands in the data, or `None`: numbers are rows of a table, by
            the line of the file from 1, texts are names of files.
        left_out: rows or files that are no examples, of this report's part of the data; `None`
            where the data have none.
        domain: the box that each ball is intersected with, as text; empty without one.

    Example:
        >>> import keras, numpy as np, lipzoo
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
        >>> model.set_weights([np.eye(2)])
        >>> certificate = lipzoo.certify(model, np.array([[3.0, 1.0], [0.0, 0.5]]), verbose=0)
        >>> print(certificate.report(abstain_below=0.5))
        example  prediction    radius  rival  abstains
              0           0    1.4142      1
              1           1   0.35355      0   abstains
        covered: 1 of 2 (50.00 %), radius above 0.5
    """

    prediction: np.ndarray
    radius: np.ndarray
    rival: np.ndarray
    abstains: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    abstain_below: float
    norm: str = "l2"
    units: str = ""
    feature_radii: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    first: int = 0
    origin: np.ndarray | None = None
    left_out: tuple[LeftOut, ...] | None = None
    domain: str = ""

    @classmethod
    def of(cls, certificate: CertificateLike, abstain_below: float) -> "CertificateReport":
        """The report of a `Certificate`.

        Raises:
            ValueError: if the radius is no finite number of at least 0.
        """
        threshold = check_radii(abstain_below, "abstain_below")
        if threshold.ndim:
            raise ValueError(
                f"Expected abstain_below to be one number. Received: abstain_below={abstain_below}"
            )
        return cls(
            certificate.prediction,
            certificate.radius,
            certificate.rival,
            certificate.radius <= threshold,
            certificate.labels,
            certificate.class_names,
            float(threshold),
            certificate.norm,
            certificate.units,
            certificate.feature_radii,
            domain=certificate.domain,
        )

    def __len__(self) -> int:
        return len(self.radius)

    def columns(self) -> dict[str, list[Any]]:
        """The columns by name, as Python values; a radius that is infinite is `None`.

        What is left out is not among them.
        """
        columns: dict[str, list[Any]] = {
            "example": list(range(self.first, self.first + len(self))),
            **self._origins(),
            "prediction": self.prediction.tolist(),
            "class": [self._name(i) for i in self.prediction],
            "radius": _finite(self.radius),
            "rival": [None if i < 0 else int(i) for i in self.rival],
            "rival_class": [self._name(i) for i in self.rival],
            "abstains": self.abstains.tolist(),
        }
        if self.labels is not None:
            columns["label"] = self.labels.tolist()
            columns["correct"] = (self.prediction == self.labels).tolist()
        if not self.class_names:
            del columns["class"], columns["rival_class"]
        columns |= {f"radius of {name}": _finite(r) for name, r in self.feature_radii.items()}
        return columns

    def rows(self) -> list[dict[str, Any]]:
        """What `columns` has, example by example."""
        columns = self.columns()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def to_csv(self, header: bool = True) -> str:
        """One row per example, with a header.

        `norm` and `units` are those of `radius`, `domain` is the box that it holds in, if it does
        not everywhere; the radius of a feature is in the feature's own units.
        Truth values are 1 and 0, numbers have the shortest digits that give them back, and what
        does not exist (the rival of a prediction that nothing can change) is empty; an infinite
        radius is `inf`. What is left out has a row of its own at its place, with the reason in a
        column `left_out` and no radius.

        Args:
            header: whether the first row holds the names of the columns.
        """
        columns = self._texts()
        lines = [*map(",".join, zip(*columns.values(), strict=True))]
        if self.left_out is not None:
            lines = [f"{line}," for line in lines]
            for entry in reversed(self.left_out):
                blank = dict.fromkeys(columns, "")
                blank[self._origin_name] = cell(entry.origin)
                line = ",".join([*blank.values(), cell(entry.reason)])
                lines.insert(entry.position - self.first, line)
            columns["left_out"] = []
        head = [",".join(map(cell, columns))] if header else []
        return "".join(f"{line}\n" for line in [*head, *lines])

    def _texts(self) -> dict[str, list[str]]:
        """The columns of `to_csv` by name, as they stand in the file."""
        columns = {
            "example": [*map(str, range(self.first, self.first + len(self)))],
            **{name: [*map(cell, values)] for name, values in self._origins().items()},
            "prediction": few_texts(self.prediction, str),
            "class": few_texts(self.prediction, self._name),
            "radius": [*map(repr, np.asarray(self.radius, "float64").tolist())],
            "rival": few_texts(self.rival, lambda i: "" if i < 0 else str(i)),
            "rival_class": few_texts(self.rival, self._name),
            "abstains": few_texts(self.abstains, str),
        }
        if self.labels is not None:
            columns["label"] = few_texts(self.labels, str)
            columns["correct"] = few_texts(self.prediction == self.labels, str)
        if not self.class_names:
            del columns["class"], columns["rival_class"]
        for name, radii in self.feature_radii.items():
            columns[f"radius of {name}"] = [*map(repr, np.asarray(radii, "float64").tolist())]
        return columns | {
            "norm": [cell(self.norm)] * len(self),
            "units": [cell(self.units)] * len(self),
            **({"domain": [cell(self.domain)] * len(self)} if self.domain else {}),
        }

    def to_json(self) -> str:
        """One object with a list of examples, and one of what is left out; null is infinity."""
        values: dict[str, object] = {
            "norm": self.norm,
            "units": self.units,
            **({"domain": self.domain} if self.domain else {}),
            "abstain_below": self.abstain_below,
            "coverage": float(np.mean(~self.abstains)),
            "class_names": list(self.class_names),
            "examples": self.rows(),
        }
        if self.left_out is not None:
            values["left_out"] = left_out_rows(self.left_out)
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        return self.text(len(self), int(np.sum(~self.abstains)))

    def text(self, examples: int, kept: int) -> str:
        """The printed table, as that of more examples of which these are the first.

        Their numbers begin with `self.first`, as in CSV and JSON.

        Args:
            examples: number of all examples.
            kept: number of those that are not abstained on.
        """
        columns = self._shown()
        widths = [max(map(len, [name, *cells])) for name, cells in columns.items()]
        rows = [list(columns), *zip(*columns.values(), strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        if examples > SHOWN:
            lines.append(f"... {examples - SHOWN:,} more")
        return "\n".join([*lines, self._covered(examples, kept)])

    def _repr_html_(self) -> str:
        columns = self._shown()
        rows = zip(*columns.values(), strict=True)
        numbers = [i for i, name in enumerate(columns) if name in ("example", "row", "radius")]
        more = [f"... {len(self) - SHOWN:,} more"] if len(self) > SHOWN else []
        notes = [*more, self._covered(len(self), int(np.sum(~self.abstains)))]
        return "".join([table(list(columns), rows, numbers), *map(paragraph, notes)])

    def _shown(self) -> dict[str, list[str]]:
        """The columns of the first examples, as they are printed."""
        numbers = range(self.first, self.first + len(self))[:SHOWN]
        columns = {"example": [str(i) for i in numbers]}
        columns |= {name: [*map(str, cells[:SHOWN])] for name, cells in self._origins().items()}
        columns["prediction"] = [self._name(i) or str(i) for i in self.prediction[:SHOWN]]
        columns["radius"] = [format_down(value, 5) for value in self.radius[:SHOWN]]
        columns["rival"] = [
            (self._name(i) or str(i)) if i >= 0 else "none" for i in self.rival[:SHOWN]
        ]
        if self.labels is not None:
            columns["label"] = [self._name(i) or str(i) for i in self.labels[:SHOWN]]
        columns["abstains"] = ["abstains" if i else "" for i in self.abstains[:SHOWN]]
        return columns

    def _covered(self, examples: int, kept: int) -> str:
        share = f"covered: {kept:,} of {examples:,} ({100 * kept / examples:.2f} %)"
        within = f", in {self.domain}" if self.domain else ""
        return f"{share}, radius above {self.abstain_below:g}{within}"

    @property
    def _origin_name(self) -> str:
        return "row" if self.origin is None else origin_name(self.origin)

    def _origins(self) -> dict[str, list[Any]]:
        return {} if self.origin is None else {self._origin_name: self.origin.tolist()}

    def _name(self, number: int) -> str:
        return self.class_names[number] if self.class_names and number >= 0 else ""


def left_out_rows(left_out: Sequence[LeftOut]) -> list[dict[str, int | str]]:
    """What is left out as JSON has it: its row or file, and the reason."""
    return [
        {"file" if isinstance(entry.origin, str) else "row": entry.origin, "reason": entry.reason}
        for entry in left_out
    ]


def _finite(values: np.ndarray) -> list[float | None]:
    """Numbers as Python has them, with `None` for infinity, which JSON lacks."""
    return [value if np.isfinite(value) else None for value in np.asarray(values).tolist()]
