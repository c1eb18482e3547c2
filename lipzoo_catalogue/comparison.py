"""A classifier beside other methods on the same test examples."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent
from lipzoo_catalogue.json_validation import check_keys, is_count, is_number, mismatch
from lipzoo_catalogue.markdown import table


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
    def from_dict(cls, values: Mapping, where: str | Path = "metrics") -> "Comparison":
        """Reads and checks the value.

        Raises:
            ValueError: if a key is missing or unknown, a share is no fraction, a certified share
                exceeds the attacked one or grows with the radius, either exceeds the clean one, or
                the interval does not hold the clean one.
        """
        keys = ("radii", "units", "attack", "methods")
        check_keys(values, (*keys, "unseen"), keys, where, "comparison.")
        radii, methods = values["radii"], values["methods"]
        valid = isinstance(radii, list) and all(is_number(r) and r >= 0 for r in radii)
        if not valid or any(a >= b for a, b in itertools.pairwise(radii)):
            what = "increasing radii of at least 0"
            raise ValueError(f"{where}: {mismatch('comparison.radii', what, radii)}")
        if not isinstance(methods, list) or not methods:
            error = mismatch("comparison.methods", "a list of methods", methods)
            raise ValueError(f"{where}: {error}")
        unseen = values.get("unseen", 0)
        if "unseen" in values and not is_count(unseen):
            error = mismatch("comparison.unseen", "a positive integer", unseen)
            raise ValueError(f"{where}: {error}")
        read = tuple(_method(method, len(radii), where, bool(unseen)) for method in methods)
        return cls(tuple(radii), str(values["units"]), str(values["attack"]), read, unseen)

    def of_unseen(self) -> "Comparison":
        """The comparison on the test examples that stand in no other split."""
        return dataclasses.replace(self, methods=tuple(m.unseen for m in self.methods), unseen=0)

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


def _method(values, count, where, has_unseen=False):
    keys = ("name", "clean", "interval", "certified", "attacked")
    keys += ("unseen",) if has_unseen else ()
    check_keys(values, keys, keys, where, "comparison.methods.")
    unseen = None
    if has_unseen:
        part = values["unseen"]
        check_keys(part, keys[1:5], keys[1:5], where, "comparison.methods.unseen.")
        unseen = _method({"name": values["name"], **part}, count, where)
    shares = {key: values[key] for key in ("certified", "attacked")}
    expected = {"interval": 2, "certified": count, "attacked": count}
    for key, length in expected.items():
        share = values[key]
        if share is None and key != "interval":
            continue
        if not isinstance(share, list) or len(share) != length or not all(map(_is_share, share)):
            error = mismatch(f"comparison.methods.{key}", f"{length} fractions", share)
            raise ValueError(f"{where}: {error}")
    if not _is_share(values["clean"]):
        error = mismatch("comparison.methods.clean", "a fraction", values["clean"])
        raise ValueError(f"{where}: {error}")
    clean, (low, high) = values["clean"], values["interval"]
    if not low <= clean <= high:
        what = f"an interval that holds the clean share, {clean}"
        error = mismatch("comparison.methods.interval", what, values["interval"])
        raise ValueError(f"{where}: {error}")
    proven, left = shares["certified"], shares["attacked"]
    for key, share in shares.items():
        if any(value > clean for value in share or ()):
            error = mismatch(f"comparison.methods.{key}", f"at most {clean}, clean", share)
            raise ValueError(f"{where}: {error}")
    if any(a < b for a, b in itertools.pairwise(proven or ())):
        what = "shares that do not grow with the radius"
        error = mismatch("comparison.methods.certified", what, proven)
        raise ValueError(f"{where}: {error}")
    if proven and left and any(a > b for a, b in zip(proven, left, strict=True)):
        what = f"at least the certified shares, {proven}"
        raise ValueError(f"{where}: {mismatch('comparison.methods.attacked', what, left)}")
    shares = {key: None if share is None else tuple(share) for key, share in shares.items()}
    interval = tuple(values["interval"])
    return Method(str(values["name"]), values["clean"], interval, **shares, unseen=unseen)


def _is_share(value) -> bool:
    return is_number(value) and 0 <= value <= 1
