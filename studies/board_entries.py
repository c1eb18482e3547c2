"""The entries of the board: one CSV file each, of two columns, a key and its value."""

import csv
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from lipzoo_catalogue.formatting import parse_fraction

FOLDER = Path(__file__).parents[1] / "board"
NOT_AUDITED = "not audited"
VERDICTS = ("confirmed", "refuted", "not confirmed", NOT_AUDITED)
_CERTIFIED = "certified at "
_TEXTS = ("dataset", "method", "verdict", "device", "source")
_NUMBERS = ("test images", "clean", "claim", "proven bound", "largest ratio", "parameters")
_NUMBERS += ("training minutes", "seeds")
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
    if entry.texts["verdict"] not in VERDICTS:
        raise ValueError(
            f"{name}: expected a verdict among {', '.join(VERDICTS)}. "
            f"Received: {entry.texts['verdict']!r}"
        )
    if entry.audited and not set(_OF_AUDITED) <= set(entry.numbers):
        raise ValueError(
            f"{name}: expected {', '.join(_OF_AUDITED)} of an audited network. "
            f"Received: {', '.join(entry.numbers)}"
        )
    if entry.texts["verdict"] == "confirmed":
        bound = entry.numbers.get("proven bound")
        if bound is None or bound > entry.numbers["claim"]:
            raise ValueError(
                f"{name}: expected a proven bound of at most the claim. Received: {bound}"
            )
    shares = [entry.numbers["clean"]] if "clean" in entry.numbers else []
    shares += [entry.certified[radius] for radius in sorted(entry.certified, key=parse_fraction)]
    falls = all(a >= b for a, b in itertools.pairwise(shares))
    if not all(0 <= share <= 1 for share in shares) or not falls:
        raise ValueError(
            f"{name}: expected shares from 0 to 1 that fall as the radius grows. Received: {shares}"
        )
    return entry


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
        parse_fraction(radius)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
