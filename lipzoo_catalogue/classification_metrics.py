"""The test results of a classifier: clean, certified and attacked accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipzoo_catalogue.certificate_claim import FORMAT_VERSION
from lipzoo_catalogue.comparison import Comparison
from lipzoo_catalogue.json_validation import (
    check_required,
    check_version,
    expect,
    is_count,
    is_nonnegative,
    is_object,
    is_share,
    mismatch,
)

_METRICS_EXAMPLE = (
    '{"format_version": 1, "test": {"examples": 10000, "clean": 0.89, '
    '"certified": {"36/255": 0.85}}}'
)
_FRACTION = "a fraction from 0 to 1"


@dataclass(frozen=True)
class Accuracies:
    """Clean and certified accuracy on some examples, in one arithmetic.

    Args:
        examples: number of examples.
        clean: share of them that is classified correctly.
        certified: triples `(name, radius, accuracy)`, by increasing radius.
        attacked: the same under an attack, where one was run; never below the certified accuracy.
        attack: the attack in words.
        rates: for a positive class of two, the same among the examples of one class alone:
            `"sensitivity"` among the positive ones and `"specificity"` among the others.
        positive: name of the positive class.
        seen: number of the examples that also stand in the training or validation split.
        unseen: the same of the other examples alone, where some were seen and some were not. It
            says more about new data.
    """

    examples: int
    clean: float
    certified: tuple[tuple[str, float, float], ...] = ()
    attacked: tuple[tuple[str, float, float], ...] = ()
    attack: str = ""
    rates: Mapping[str, "Accuracies"] = field(default_factory=dict[str, "Accuracies"])
    positive: str = ""
    seen: int = 0
    unseen: "Accuracies | None" = None


@dataclass(frozen=True)
class Metrics(Accuracies):
    """The test results of a model: the part of `metrics.json` that the zoo reads.

    The file is `{"format_version": 1, "test": {"examples": 10000, "clean": 0.89, "certified":
    {"36/255": 0.85, ...}}, "test_float64": {...}, ...}` with accuracies as fractions and radii in
    the units of the input; `test` is of the network evaluated in float32 and `test_float64`, which
    older files do not have, of the same network evaluated in float64. A table may say in which
    arithmetic the margins at the examples were computed, `"margins": "float64"`, and hold
    accuracies under an attack, `"attacked": {"0.25": 0.84}, "attack": "PGD, 100 steps"`, and, with
    `"positive": "sick"`, tables of the same form as `"sensitivity"` and `"specificity"`. Where some
    of the examples also stand in the training or validation split, their number is `"seen"`, and
    `"unseen"` is a table of the others. Attacks
    that were run on some of the test examples are in a table `test_sample` of the same keys, with
    clean and certified accuracy on the same ones, in float32. For `"comparison"` see `Comparison`.
    Further keys (seed, versions, time, data) are those of `TrainingRecord`.

    Args:
        examples: number of test examples.
        clean: share of them that is classified correctly in float32.
        certified: triples `(name, radius, accuracy)`, by increasing radius, in float32.
        float64: the same in float64, or `None`.
        comparison: other methods on the same examples, or `None`.
        sample: results on some of the test examples, in float32, or `None`.

    Raises:
        ValueError: if an accuracy is no fraction, a certified one exceeds the clean one or the one
            that an attack left, one increases with the radius, or sensitivity and specificity are
            not both there, of a positive class with a name and of all examples together.
    """

    float64: Accuracies | None = None
    comparison: Comparison | None = None
    sample: Accuracies | None = None
    task = "classification"

    @classmethod
    def from_dict(cls, values: Mapping[str, object], where: str | Path = "metrics") -> "Metrics":
        """Reads and checks the content of `metrics.json`.

        >>> values = {"examples": 100, "clean": 0.9, "certified": {"36/255": 0.85, "0.5": 0.7}}
        >>> Metrics.from_dict({"format_version": 1, "test": values}).certified[1]
        ('0.5', 0.5, 0.7)
        """
        check_version(values, FORMAT_VERSION, where)
        test = _read_accuracies(values.get("test"), "test", where)
        others: dict[str, Any] = {
            name: _read_accuracies(values[f"test_{name}"], f"test_{name}", where)
            for name in ("float64", "sample")
            if f"test_{name}" in values
        }
        for name, table in others.items():
            fits = table.examples == test.examples
            if not fits and (name == "float64" or table.examples > test.examples):
                most = "at most " if name == "sample" else ""
                what = f"{most}{test.examples}, the examples of 'test'"
                error = mismatch(f"test_{name}.examples", what, table.examples)
                raise ValueError(f"{where}: {error}")
            if table.rates and table.positive != test.positive:
                what = f"{test.positive!r}, as in 'test'"
                error = mismatch(f"test_{name}.positive", what, table.positive)
                raise ValueError(f"{where}: {error}")
        comparison = None
        if "comparison" in values:
            comparison = Comparison.from_dict(values["comparison"], where)
        return cls(**vars(test), **others, comparison=comparison)


def _read_accuracies(stated: object, key: str, where: str | Path) -> Accuracies:
    """Reads and checks `{"examples": …, "clean": …, "certified": {…}}`, the value of `key`."""
    table = expect(stated, is_object, f"test results, as in {_METRICS_EXAMPLE}", key, where)
    check_required(table, ("examples", "clean", "certified"), where, f"{key}.")
    count = expect(table["examples"], is_count, "a positive integer", f"{key}.examples", where)
    clean = expect(table["clean"], is_share, _FRACTION, f"{key}.clean", where)
    certified = _read_shares(table["certified"], f"{key}.certified", clean, where)
    attacked = _read_shares(table.get("attacked", {}), f"{key}.attacked", clean, where)
    for name, radius, share in attacked:
        # What withstands a perturbation withstands a smaller one.
        proven = max((low for _, larger, low in certified if larger >= radius), default=0.0)
        if share < proven:
            what = f"at least the certified accuracy, {proven}"
            error = mismatch(f"{key}.attacked.{name}", what, share)
            raise ValueError(f"{where}: {error}")
    positive, rates = _read_rates(table, count, key, where)
    seen, unseen = _read_seen(table, count, key, where)
    return Accuracies(
        count,
        float(clean),
        certified,
        attacked,
        str(table.get("attack", "")),
        rates,
        positive,
        seen,
        unseen,
    )


def _read_seen(
    table: Mapping[str, object], count: int, key: str, where: str | Path
) -> tuple[int, Accuracies | None]:
    """Reads how many examples stand in other splits, and what was measured of the rest."""
    stated = table.get("seen", 0)
    seen = stated if is_count(stated) and stated <= count else 0
    if seen != stated:
        what = f"a count of at most {count}, the examples of '{key}'"
        raise ValueError(f"{where}: {mismatch(f'{key}.seen', what, stated)}")
    if ("unseen" in table) != (0 < seen < count):
        what = f"a table of the {count - seen} examples that were not seen, if any, and only then"
        raise ValueError(f"{where}: {mismatch(f'{key}.unseen', what, table.get('unseen'))}")
    if "unseen" not in table:
        return seen, None
    unseen = _read_accuracies(table["unseen"], f"{key}.unseen", where)
    if unseen.examples + seen != count:
        what = f"{count - seen}, those of '{key}' without the seen ones"
        error = mismatch(f"{key}.unseen.examples", what, unseen.examples)
        raise ValueError(f"{where}: {error}")
    return seen, unseen


def _read_rates(
    table: Mapping[str, object], count: int, key: str, where: str | Path
) -> tuple[str, dict[str, Accuracies]]:
    """Reads what was measured of the positive class of two and of the other, or of neither."""
    keys = ("positive", "sensitivity", "specificity")
    if not any(name in table for name in keys):
        return "", {}
    for name in keys:
        if name not in table:
            raise ValueError(f"{where}: missing key '{key}.{name}'; {', '.join(keys)} go together")
    positive = table["positive"]
    if not isinstance(positive, str) or not positive:
        error = mismatch(f"{key}.positive", "the name of a class", positive)
        raise ValueError(f"{where}: {error}")
    rates = {name: _read_accuracies(table[name], f"{key}.{name}", where) for name in keys[1:]}
    if sum(part.examples for part in rates.values()) != count:
        what = f"the {count} examples of '{key}' in two classes"
        parts = " + ".join(str(part.examples) for part in rates.values())
        error = mismatch(f"{key}.sensitivity and .specificity", what, parts)
        raise ValueError(f"{where}: {error}")
    return positive, rates


def _read_shares(
    stated: object, key: str, clean: float, where: str | Path
) -> tuple[tuple[str, float, float], ...]:
    """Reads accuracies by radius: fractions that do not grow with the radius."""
    values = expect(stated, is_object, "an object", key, where)
    radii = sorted(((name, _radius(name, key, where)) for name in values), key=lambda row: row[1])
    rows: list[tuple[str, float, float]] = []
    previous, limit = "clean", clean
    for name, radius in radii:
        row_key = f"{key}.{name}"
        share = expect(values[name], is_share, _FRACTION, row_key, where)
        if share > limit:
            what = f"at most the accuracy at {previous}, {limit}"
            raise ValueError(f"{where}: {mismatch(row_key, what, share)}")
        rows.append((name, radius, share))
        previous, limit = name, share
    return tuple(rows)


def _radius(name: str, key: str, where: str | Path) -> float:
    """Reads a radius written as `"0.25"` or `"36/255"`."""
    above, _, below = name.partition("/")
    try:
        radius = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        radius = -1.0
    if not is_nonnegative(radius):
        what = 'radii such as "0.25" or "36/255"'
        raise ValueError(f"{where}: {mismatch(key, what, name)}")
    return radius
