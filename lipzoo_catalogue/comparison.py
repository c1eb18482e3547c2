"""A classifier beside other methods on the same test examples."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from lipzoo_catalogue.formatting import format_percent
from lipzoo_catalogue.json_validation import (
    check_keys,
    expect,
    is_count,
    is_list,
    is_number,
    is_share,
    mismatch,
)
from lipzoo_catalogue.markdown import table

_METHODS = "comparison.methods."


@dataclass(frozen=True)
class Method:
    """One method's results.

    Args:
        name: what it is.
        clean: share of the test examples that it classifies correctly.
        interval: confidence interval of the clean accuracy.
        certified: share certified at each radius; `None` where nothing is proven.
        attacked: share left at each radius by the attack; `None` where none was run.
        unseen: the same of the test examples that stand in no other split, or `None`.
    """

    name: str
    clean: float
    interval: tuple[float, float]
    certified: tuple[float, ...] | None
    attacked: tuple[float, ...] | None
    unseen: "Method | None" = None


@dataclass(frozen=True)
class Comparison:
    """Methods beside each other: the value of `"comparison"` in `metrics.json`.

    The value is `{"radii": [0.5, 1.0], "units": "standard deviations", "attack": "PGD, 100 steps",
    "methods": [{"name": "random forest", "clean": 0.9, "interval": [0.85, 0.94], "certified": null,
    "attacked": [0.7, 0.5]}]}`. Where some test examples also stand in the training or validation
    split, `"unseen"` is the number of the others, and under this key every method has `"clean"`,
    `"interval"`, `"certified"` and `"attacked"` of these alone.

    Args:
        radii: l2 radii of all methods.
        units: units of the radii, in words.
        attack: the attacks in words.
        methods: the methods, the model itself first.
        unseen: number of test examples that stand in no other split, where some do; else 0.
    """

    radii: tuple[float, ...]
    units: str
    attack: str
    methods: tuple[Method, ...]
    unseen: int = 0

    @classmethod
    def from_dict(cls, values: object, where: str | Path = "metrics") -> "Comparison":
        """Reads and checks the value.

        Raises:
            ValueError: if a key is missing or unknown, a share is no fraction, a certified share
                exceeds the attacked one or grows with the radius, either exceeds the clean one, or
                the interval does not hold the clean one.
        """
        keys = ("radii", "units", "attack", "methods")
        known = check_keys(values, (*keys, "unseen"), keys, where, "comparison.")
        radii = _numbers(known["radii"])
        if (
            radii is None
            or min(radii, default=0) < 0
            or any(a >= b for a, b in itertools.pairwise(radii))
        ):
            what = "increasing radii of at least 0"
            raise ValueError(f"{where}: {mismatch('comparison.radii', what, known['radii'])}")
        key, what = "comparison.methods", "a list of methods"
        methods = expect(known["methods"], _is_filled, what, key, where)
        unseen = 0
        if "unseen" in known:
            key, what = "comparison.unseen", "a positive integer"
            unseen = expect(known["unseen"], is_count, what, key, where)
        read = tuple(_method(method, len(radii), where, bool(unseen)) for method in methods)
        return cls(radii, str(known["units"]), str(known["attack"]), read, unseen)

    def of_unseen(self) -> "Comparison":
        """The comparison on the test examples that stand in no other split."""
        parts = tuple(method.unseen for method in self.methods if method.unseen is not None)
        return dataclasses.replace(self, methods=parts, unseen=0)

    def rows(self) -> Iterator[list[str]]:
        """Cells of a table, one row per method: its name, clean accuracy, then two per radius."""
        for method in self.methods:
            clean, low, high = map(format_percent, (method.clean, *method.interval))
            cells = [method.name, f"{clean} ({low} to {high})"]
            for shares in (method.certified, method.attacked):
                missing = ["none"] * len(self.radii)
                cells += missing if shares is None else map(format_percent, shares)
            yield cells

    def header(self) -> list[str]:
        """The heads of the columns of `rows`."""
        kinds = [f"{kind} at {r:g}" for kind in ("certified", "attacked") for r in self.radii]
        return ["", "clean % (95 % interval)", *kinds]

    def markdown(self) -> str:
        """The table, with what its numbers are."""
        text = (
            "The same test examples, other methods, accuracies in %; l2 radii in "
            f"{self.units}. Attacks: {self.attack}.\n\n"
        )
        everything = table(self.header(), self.rows())
        if not self.unseen:
            return text + everything
        unseen = self.of_unseen()
        return (
            f"{text}The {self.unseen:,} unseen examples:\n\n{table(unseen.header(), unseen.rows())}"
            f"\nAll examples:\n\n{everything}"
        )


def _is_filled(value: object) -> TypeGuard[list[object]]:
    return is_list(value) and bool(value)


def _method(stated: object, count: int, where: str | Path, has_unseen: bool = False) -> Method:
    keys = ("name", "clean", "interval", "certified", "attacked")
    measured = keys[1:]
    needed = (*keys, "unseen") if has_unseen else keys
    values = check_keys(stated, needed, needed, where, _METHODS)
    unseen = None
    if has_unseen:
        part = check_keys(values["unseen"], measured, measured, where, f"{_METHODS}unseen.")
        unseen = _method({"name": values["name"], **part}, count, where)
    interval = _shares(values, "interval", 2, where)
    proven, left = (
        None if values[key] is None else _shares(values, key, count, where)
        for key in ("certified", "attacked")
    )
    clean = expect(values["clean"], is_share, "a fraction", f"{_METHODS}clean", where)
    low, high = interval
    if not low <= clean <= high:
        what = f"an interval that holds the clean share, {clean}"
        error = mismatch(f"{_METHODS}interval", what, values["interval"])
        raise ValueError(f"{where}: {error}")
    for key, share in (("certified", proven), ("attacked", left)):
        if any(value > clean for value in share or ()):
            error = mismatch(f"{_METHODS}{key}", f"at most {clean}, clean", values[key])
            raise ValueError(f"{where}: {error}")
    if any(a < b for a, b in itertools.pairwise(proven or ())):
        what = "shares that do not grow with the radius"
        error = mismatch(f"{_METHODS}certified", what, values["certified"])
        raise ValueError(f"{where}: {error}")
    if proven and left and any(a > b for a, b in zip(proven, left, strict=True)):
        what = f"at least the certified shares, {values['certified']}"
        raise ValueError(f"{where}: {mismatch(f'{_METHODS}attacked', what, values['attacked'])}")
    return Method(str(values["name"]), clean, (low, high), proven, left, unseen)


def _shares(
    values: Mapping[str, object], key: str, length: int, where: str | Path
) -> tuple[float, ...]:
    """Reads a list of so many fractions."""
    stated = values[key]
    found = _numbers(stated)
    if found is None or len(found) != length or not all(map(is_share, found)):
        error = mismatch(f"{_METHODS}{key}", f"{length} fractions", stated)
        raise ValueError(f"{where}: {error}")
    return found


def _numbers(values: object) -> tuple[float, ...] | None:
    """The numbers of a list; `None` for anything but a list of finite numbers."""
    if not is_list(values):
        return None
    found = tuple(value for value in values if is_number(value))
    return found if len(found) == len(values) else None
