"""The entries of the board: one CSV file each, of two columns, a key and its value."""

import csv
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from lipzoo.evaluation.audit import CONFIRMED, NOT_CONFIRMED, VERDICTS
from lipzoo_catalogue.formatting import parse_fraction

FOLDER = Path(__file__).parents[1] / "board"
NOT_AUDITED = "not audited"
DATASETS = ("MNIST", "Fashion-MNIST", "CIFAR-10")
_CERTIFIED = "certified at "
_TEXTS = ("dataset", "method", "verdict", "device", "source")
_NUMBERS = ("test images", "clean", "claim", "proven bound", "largest ratio", "parameters")
_NUMBERS += ("training minutes", "seeds")
_COUNTS = ("test images", "parameters", "seeds")
# What only an audit tells.
_OF_AN_AUDIT = ("proven bound", "largest ratio")
_REQUIRED = ("dataset", "method", "verdict", "source")
_OF_AUDITED = ("test images", "clean", "claim", "largest ratio")


@dataclass(frozen=True)
class Entry:
    """A network on the board.

    Attributes:
        texts, numbers: values by key, those that the file has.
        certified: certified accuracy by radius, as the file spells it, by increasing radius.
    """

    texts: dict[str, str]
    numbers: dict[str, float]
    certified: dict[str, float] = field(default_factory=dict)

    @property
    def audited(self) -> bool:
        """Whether the claimed constant was held against a bound."""
        return self.texts["verdict"] != NOT_AUDITED

    def at(self, radius: str) -> float | None:
        """Certified accuracy at a radius, however the file spells it."""
        wanted = parse_fraction(radius)
        return next((c for r, c in self.certified.items() if parse_fraction(r) == wanted), None)


def read_entry(path: Path) -> Entry:
    """Reads an entry.

    Raises:
        ValueError: for anything that is wrong with it; the message names file and line.
    """
    texts, numbers, certified = {}, {}, {}
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.reader(file), start=1):
            where = f"{path.name}, line {line}"
            if len(row) != 2:
                raise ValueError(f"{where}: expected a key and a value. Received: {row}")
            key, value = row[0].strip(), row[1].strip()
            if key in texts or key in numbers or key.removeprefix(_CERTIFIED) in certified:
                raise ValueError(f"{where}: expected every key once. Received: {key!r} again")
            if key in _TEXTS:
                texts[key] = value
            elif key in _NUMBERS:
                numbers[key] = _number(value, where)
            elif key.startswith(_CERTIFIED):
                radius = key.removeprefix(_CERTIFIED)
                _check_radius(radius, where)
                certified[radius] = _number(value, where)
            else:
                known = ", ".join((*_TEXTS, *_NUMBERS, f"{_CERTIFIED}RADIUS"))
                raise ValueError(f"{where}: expected one of {known}. Received: {key!r}")
    return _checked(Entry(texts, numbers, certified), path.name)


def write_entry(path: Path, entry: Entry) -> None:
    """Writes an entry, in the order of the keys."""
    _checked(entry, path.name)
    rows = [(key, entry.texts[key]) for key in _TEXTS if key in entry.texts]
    rows += [(key, _exactly(entry.numbers[key])) for key in _NUMBERS if key in entry.numbers]
    rows += [(f"{_CERTIFIED}{radius}", _exactly(c)) for radius, c in entry.certified.items()]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def read_board(folder: Path = FOLDER) -> list[Entry]:
    """All entries, in the order of their files' names."""
    return [read_entry(path) for path in sorted(folder.glob("*.csv"))]


def _checked(entry: Entry, name: str) -> Entry:
    known = {**entry.texts, **entry.numbers}
    missing = [key for key in _REQUIRED if key not in known]
    if missing:
        raise ValueError(f"{name}: expected {', '.join(missing)}. Received: none")
    _expect(
        entry.texts["dataset"] in DATASETS, f"{name}: expected a dataset among {DATASETS}", entry
    )
    for key in _COUNTS:
        count = entry.numbers.get(key, 1)
        _expect(count >= 1 and count == int(count), f"{name}: expected a positive {key}", count)
    verdicts = (*VERDICTS, NOT_AUDITED)
    verdict = entry.texts["verdict"]
    _expect(verdict in verdicts, f"{name}: expected a verdict among {', '.join(verdicts)}", verdict)
    if entry.audited:
        _check_audit(entry, name)
    else:
        told = [key for key in _OF_AN_AUDIT if key in entry.numbers]
        _expect(
            not told, f"{name}: expected the results of an audit of audited networks only", told
        )
    radii = [parse_fraction(radius) for radius in entry.certified]
    _expect(
        len(set(radii)) == len(radii), f"{name}: expected every radius once", [*entry.certified]
    )
    shares = [entry.numbers["clean"]] if "clean" in entry.numbers else []
    shares += [entry.certified[radius] for radius in sorted(entry.certified, key=parse_fraction)]
    falls = all(a >= b for a, b in itertools.pairwise(shares))
    fits = all(0 <= share <= 1 for share in shares) and falls
    _expect(fits, f"{name}: expected shares from 0 to 1 that fall as the radius grows", shares)
    return entry


def _check_audit(entry: Entry, name: str) -> None:
    """Refuses a verdict that is not the one of claim, bound and ratio."""
    missing = [key for key in _OF_AUDITED if key not in entry.numbers]
    _expect(
        not missing, f"{name}: expected {', '.join(_OF_AUDITED)} of an audited network", missing
    )
    numbers = entry.numbers
    bound, ratio = numbers.get("proven bound", float("inf")), numbers["largest ratio"]
    # A computed ratio may exceed a bound by rounding.
    _expect(ratio <= bound * (1 + 1e-3), f"{name}: expected a ratio of at most the bound", ratio)
    kept, verdict = bound <= numbers["claim"], entry.texts["verdict"]
    _expect(
        (verdict == CONFIRMED) == kept,
        f"{name}: expected the verdict {CONFIRMED} where the proven bound is at most the claim, "
        "and nowhere else",
        f"{verdict}, bound {bound}, claim {numbers['claim']}",
    )
    if not kept:
        _expect(
            (verdict == NOT_CONFIRMED) or ratio > numbers["claim"],
            f"{name}: expected a ratio above the claim of a network that exceeds it",
            ratio,
        )


def _expect(fits: bool, what: str, received) -> None:
    if not fits:
        shown = received.texts if isinstance(received, Entry) else received
        raise ValueError(f"{what}. Received: {shown}")


def _exactly(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(float(number))


def _number(value: str, where: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"{where}: expected a number. Received: {value!r}") from None
    if not 0 <= number < float("inf"):
        raise ValueError(f"{where}: expected a number of at least 0. Received: {value!r}")
    return number


def _check_radius(radius: str, where: str) -> None:
    try:
        value = parse_fraction(radius)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    _expect(0 < value < float("inf"), f"{where}: expected a positive radius", radius)
