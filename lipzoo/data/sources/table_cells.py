"""What an entry of a table is: a number, missing, or a label."""

import re

import numpy as np

from lipzoo.data.sources.raw import DataError

_UNKNOWN = ("", "?", "nan", "-nan", "<na>", "#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind")
_UNKNOWN += ("1.#qnan", "-1.#qnan")
# Missing among numbers; as a label each may be the name of a class.
_DOUBTFUL = ("na", "n/a", "null", "none")
_NUMBER = {
    ".": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII),
    ",": re.compile(r"[+-]?(\d+(,\d+)?|,\d+)([eE][+-]?\d+)?", re.ASCII),
}
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


class Missing:
    """The texts that stand for an entry that is missing.

    Args:
        values: those of a recipe; empty for the usual ones, upper case or not.
    """

    def __init__(self, values: tuple[str, ...] = ()):
        self.stated = bool(values)
        usual = {w for word in (*_UNKNOWN, *_DOUBTFUL) for w in _cases(word)}
        self.words = {"", *values} if values else usual
        doubtful = {w for word in _DOUBTFUL for w in _cases(word)}
        self.doubtful = set() if values else doubtful
        self.in_labels = self.words - self.doubtful
        self._numbers = {float(v) for v in values if is_number(v, ".")}

    def __contains__(self, entry: str) -> bool:
        return entry.strip() in self.words

    def has(self, entry: str, decimal: str) -> bool:
        """Whether an entry is one of the texts, or a number that is equal to one of them."""
        if entry in self:
            return True
        written = self._numbers and is_number(entry, decimal)
        return bool(written) and float(entry.replace(",", ".")) in self._numbers


def _cases(word):
    return {word, word.upper(), word.capitalize(), word.replace("nan", "NaN")}


def is_number(entry: str, decimal: str) -> bool:
    """Whether an entry is a number, one that is infinite among them."""
    entry = entry.strip()
    return bool(_NUMBER[decimal].fullmatch(entry) or _INFINITE.fullmatch(entry))


def number_of(entry: str, decimal: str, where: str) -> float:
    """The number that an entry is.

    Raises:
        DataError: if it is none, infinite, beyond float32, or a whole number that float32 changes.
    """
    entry = entry.strip()
    if _INFINITE.fullmatch(entry):
        raise DataError(
            f"{where}: expected a finite number. Received: {entry!r}; if it stands for a missing "
            f"entry, name it in missing_values in [data]"
        )
    if not _NUMBER[decimal].fullmatch(entry):
        other = "," if decimal == "." else "."
        hint = f'; decimal = "{other}"?' if _NUMBER[other].fullmatch(entry) else ""
        raise DataError(
            f"{where}: expected a number. Received: {entry!r}{hint}. A column of something else is "
            "left out by ignore in [data], and what stands for a missing entry is named by "
            "missing_values"
        )
    value = float(entry.replace(",", "."))
    return check_float32(value, int(entry) if _INTEGER.fullmatch(entry) else None, where)


def check_float32(value: float, whole: int | None, where: str) -> float:
    """Refuses a number that float32 does not have, or a whole number that it changes."""
    with np.errstate(over="ignore"):
        stored = float(np.float32(value))
    if not np.isfinite(stored):
        raise DataError(f"{where}: expected a number that float32 has. Received: {value:g}")
    if whole is not None and int(stored) != whole:
        raise DataError(
            f"{where}: expected whole numbers that float32 has, all those up to 16,777,216. "
            f"Received: {whole}, which becomes {int(stored)}; if it is an identifier, leave the "
            "column out by ignore in [data], if it was measured, write it in another unit"
        )
    return value


def check_words(labels: list[str], missing: Missing, names: dict, where: str) -> None:
    """Refuses labels that are classes to some and missing to others."""
    doubtful = sorted(set(labels) & missing.doubtful - set(names))
    if doubtful:
        raise DataError(
            f"{where}: a label {doubtful[0]!r} may be a class or a missing entry. Name the class "
            f'in [data.label_names], or set missing_values = ["{doubtful[0]}"] in [data]'
        )


def labels_of(written: np.ndarray, names: dict, where: str) -> np.ndarray:
    """Labels as they are written; whole numbers, also in floating notation, as integers.

    `01` stays `01`. Numbers that are not whole are no classes, unless they have names; and two ways
    to write a number (`1` and `01`) may be one class or two.

    Raises:
        DataError: in these two cases, naming the labels.
    """
    distinct = np.unique(written).tolist()
    if not all(_NUMBER["."].fullmatch(label) for label in distinct):
        return written.astype("U")
    fractions = [label for label in distinct if not float(label).is_integer()]
    if set(fractions) - set(names):
        raise DataError(
            f"{where}: expected whole numbers or text. Received: {fractions[:5]}; the column of "
            'the label is named by label in [data]; label = "none" says that there is none'
        )
    if fractions:
        return written.astype("U")
    floating = {t: t if _INTEGER.fullmatch(t) else str(int(float(t))) for t in distinct}
    seen = {}
    for label in floating.values():
        other = seen.setdefault(int(label), label)
        if other != label and not {label, other} <= set(names):
            raise DataError(
                f"{where}: {other!r} and {label!r} are the same number and may be the same class. "
                "Write them alike, or give each its name in [data.label_names]"
            )
    plain = all(str(int(t)) == t and abs(int(t)) < 2**63 for t in floating.values())
    found, inverse = np.unique(written, return_inverse=True)
    values = np.array([floating[t] for t in found.tolist()])
    return (values.astype("int64") if plain else values)[inverse]
