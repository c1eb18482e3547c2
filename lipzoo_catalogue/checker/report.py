"""What the checker found, and the verdict that follows from it."""

import dataclasses
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.layers import LayerBound
from lipzoo_catalogue.formatting import format_up

CONFIRMED, NOT_CONFIRMED, REFUTED = "confirmed", "not confirmed", "refuted"
# A derivation that is less certain than this confirms only what it proves outright.
_LARGEST_ROUNDING = 1e-6


@dataclass(frozen=True)
class Finding:
    """A bound that is claimed, beside what was derived without the code that made the claim.

    Attributes:
        what: the layer, or `"the whole model"`.
        claimed: the bound that the certificate states.
        derived: encloses the bound that the formula gives.
        at_least: proven lower bound of the Lipschitz constant; 0 where none was found.
        how: how it was derived.
        verdict: `"confirmed"`: the claim is not below the derived bound, or below it by no more
            than the rounding of the derivation, a millionth at most. `"refuted"`: the Lipschitz
            constant is larger than claimed. `"not confirmed"`: neither.
    """

    what: str
    claimed: float
    derived: Interval
    at_least: float
    how: str

    @property
    def verdict(self) -> str:
        """See the class."""
        close = self.claimed >= self.derived.low and self.derived.rounding <= _LARGEST_ROUNDING
        if close or self.claimed >= self.derived.high:
            return CONFIRMED
        return REFUTED if self.claimed < self.at_least else NOT_CONFIRMED

    def to_dict(self) -> dict[str, object]:
        """The finding as JSON values."""
        values: dict[str, object] = dataclasses.asdict(self)
        values["derived"] = self.derived.high
        return {**values, "rounding": self.derived.rounding, "verdict": self.verdict}

    def row(self) -> tuple[str, ...]:
        """The finding as cells of a table."""
        how = self.how
        if self.claimed < self.at_least:
            how = f"at least {self.at_least:.7g}; {how}"
        numbers = map(format_up, (self.claimed, self.derived.high))
        return (self.verdict, self.what, *numbers, how)


@dataclass(frozen=True)
class Report:
    """What the checker found about one certificate; printed, one line for each finding.

    Attributes:
        name: the model.
        architecture: its architecture.
        layers: a finding for each layer that the certificate speaks of.
        total: findings about the whole model: one for each file that states its bound.
        strangers: layers that the certificate speaks of and the architecture does not have.
    """

    name: str
    architecture: str
    layers: tuple[Finding, ...]
    total: tuple[Finding, ...]
    strangers: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The worst verdict of all findings; a stranger leaves the certificate unconfirmed."""
        verdicts = {finding.verdict for finding in (*self.layers, *self.total)}
        verdicts |= {NOT_CONFIRMED} if self.strangers else set()
        return next(v for v in (REFUTED, NOT_CONFIRMED, CONFIRMED) if v in verdicts)

    def to_dict(self) -> dict[str, object]:
        """The report as JSON values."""
        return {
            "name": self.name,
            "architecture": self.architecture,
            "verdict": self.verdict,
            "total": [finding.to_dict() for finding in self.total],
            "layers": [finding.to_dict() for finding in self.layers],
            "strangers": list(self.strangers),
        }

    def __str__(self) -> str:
        rows = [("", "", "claimed", "derived", "")]
        rows += [finding.row() for finding in (*self.layers, *self.total)]
        rows += [(NOT_CONFIRMED, name, "", "", "no such layer") for name in self.strangers]
        verdict, what, claimed, derived = (
            max(map(len, c)) for c in list(zip(*rows, strict=True))[:4]
        )
        lines = [
            f"{a:<{verdict}}  {b:<{what}}  {c:>{claimed}}  {d:>{derived}}  {e}".rstrip()
            for a, b, c, d, e in rows
        ]
        bound = self.total[0].derived
        lines.append(
            f"{self.name}: {self.verdict}; its Lipschitz bound is {format_up(bound.high, 9)}, "
            f"derived to a relative rounding of {bound.rounding:.1e}"
        )
        return "\n".join(lines)


def compare(
    name: str,
    architecture: str,
    bounds: Mapping[str, LayerBound],
    total: Interval,
    certificate: Mapping[str, object],
    others: Mapping[str, object],
) -> Report:
    """Compares what a certificate states with what was derived.

    Args:
        name: the model.
        architecture: its architecture.
        bounds: what was derived of each layer.
        total: encloses the bound that was derived of the whole model.
        certificate: the content of `certificate.json`.
        others: bounds of the whole model that further files state, by the files' names.

    Raises:
        ValueError: if a stated bound is no number, or the layers are no list of objects.
    """
    layers: list[Finding] = []
    strangers: list[str] = []
    for row in _rows(certificate.get("layers", [])):
        layer = str(row.get("name"))
        # Keras numbers the operations that have no name of their own. The name decides, not the
        # type that the certificate states: or any layer could pass for a projection.
        known = "clip" if re.fullmatch(r"clip(_\d+)?", layer) else layer
        if known not in bounds:
            strangers.append(layer)
            continue
        found = bounds[known]
        claimed = _number(row.get("bound"), layer)
        layers.append(Finding(layer, claimed, found.bound, found.at_least, found.how))
    claims = {"the whole model": certificate.get("lipschitz_bound"), **others}
    whole = [
        Finding(what, _number(claimed, what), total, 0.0, f"composed as {architecture}")
        for what, claimed in claims.items()
    ]
    return Report(name, architecture, tuple(layers), tuple(whole), tuple(strangers))


def _rows(values: object) -> list[Mapping[str, object]]:
    stated = cast(list[object], values) if isinstance(values, list) else [values]
    rows: list[Mapping[str, object]] = [row for row in stated if isinstance(row, Mapping)]
    wrong = [row for row in stated if stated is not values or not isinstance(row, Mapping)]
    if wrong:
        raise ValueError(
            "Expected the certificate to state its layers as a list of objects. "
            f"Received: {wrong[0]!r:.80}"
        )
    return rows


def _number(value: object, what: str) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else -1
    if number < 0 or number != number or sys.float_info.max < number < math.inf:
        raise ValueError(
            f"Expected the certificate to state a bound of at least 0 for {what}. "
            f"Received: {value!r:.80}"
        )
    return float(number)
