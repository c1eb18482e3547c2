"""Checks of JSON values, with errors that name the file and the key."""

import difflib
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

_Kind = TypeVar("_Kind")


def mismatch(key: str, what: str, received: object) -> str:
    """Returns the text of an error about one key.

    >>> mismatch("arguments.depth", "a positive integer", -1)
    "key 'arguments.depth': expected a positive integer. Received: -1"
    """
    text = repr(received)
    return f"key {key!r}: expected {what}. Received: {text[:200]}"


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number (and not a boolean)."""
    # An integer is finite, but not every one can be made a float.
    if is_integer(value):
        return abs(value) <= sys.float_info.max
    return isinstance(value, float) and math.isfinite(value)


def is_share(value: object) -> TypeGuard[float]:
    """Whether `value` is a fraction from 0 to 1."""
    return is_number(value) and 0 <= value <= 1


def is_nonnegative(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number of at least 0."""
    return is_number(value) and value >= 0


def is_integer(value: object) -> TypeGuard[int]:
    """Whether `value` is an integer (and not a boolean)."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_count(value: object) -> TypeGuard[int]:
    """Whether `value` is a positive integer (and not a boolean)."""
    return is_integer(value) and value > 0


def is_text(value: object) -> TypeGuard[str]:
    """Whether `value` is a text."""
    return isinstance(value, str)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether `value` is a list, of whatever."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether `value` is what a JSON object is read as."""
    return isinstance(value, dict)


def is_objects(value: object) -> TypeGuard[list[dict[str, object]]]:
    """Whether `value` is a list of objects."""
    return is_list(value) and all(is_object(item) for item in value)


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Whether `value` is a mapping, of whatever."""
    return isinstance(value, Mapping)


def is_row(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether `value` is a list or a tuple, of whatever; JSON makes no difference."""
    return isinstance(value, list | tuple)


def is_texts(value: object) -> TypeGuard[list[str]]:
    """Whether `value` is a list of texts.

    >>> is_texts(["a", "b"]), is_texts(["a", 1])
    (True, False)
    """
    return is_list(value) and all(isinstance(item, str) for item in value)


def is_sha256(value: object) -> TypeGuard[str]:
    """Whether `value` is a SHA-256 in lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def expect(
    value: object,
    fits: Callable[[object], TypeGuard[_Kind]],
    what: str,
    key: str,
    where: str | Path,
) -> _Kind:
    """Returns `value` if it is of a kind.

    Args:
        value: the value of `key`.
        fits: says whether it is, such as `is_number`.
        what: the kind in words.
        key: its dotted name in the file.
        where: the file's name.

    Raises:
        ValueError: if it is not.

    >>> expect(-1, is_count, "a positive integer", "test.examples", "metrics.json")
    Traceback (most recent call last):
    ValueError: metrics.json: key 'test.examples': expected a positive integer. Received: -1
    """
    if not fits(value):
        raise ValueError(f"{where}: {mismatch(key, what, value)}")
    return value


def optional(
    values: Mapping[str, object],
    key: str,
    fits: Callable[[object], TypeGuard[_Kind]],
    what: str,
    where: str | Path,
    prefix: str = "",
) -> _Kind | None:
    """The value of a key, see `expect`; `None` where there is none or null.

    >>> optional({"seed": 3}, "seed", is_integer, "an integer", "metrics.json")
    3
    """
    value = values.get(key)
    return None if value is None else expect(value, fits, what, prefix + key, where)


def check_required(
    values: Mapping[str, object], required: Iterable[str], where: str | Path, prefix: str = ""
) -> None:
    """Raises `ValueError` for the first required key that is missing."""
    for key in required:
        if key not in values:
            raise ValueError(f"{where}: missing key {prefix + key!r}")


def check_keys(
    values: object,
    known: Sequence[str],
    required: Iterable[str],
    where: str | Path,
    prefix: str = "",
) -> Mapping[str, object]:
    """Returns `values` if it is an object with known keys, among them all required ones.

    Raises:
        ValueError: for anything else, an unknown key, or a required one that is missing.
    """
    found = expect(values, is_object, "an object", prefix.rstrip("."), where)
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}."
            raise ValueError(f"{where}: unknown key {prefix + str(key)!r}. {advice}")
    check_required(found, required, where, prefix)
    return found


def check_version(values: Mapping[str, object], current: int, where: str | Path) -> None:
    """Raises `ValueError` unless `values["format_version"]` is one that this lipzoo reads."""
    what = f"an integer from 1 to {current}"
    version = expect(values.get("format_version"), is_count, what, "format_version", where)
    if version > current:
        raise ValueError(
            f"{where}: key 'format_version': version {version} was written by a newer lipzoo; this "
            f"one reads up to {current}. Update it: pip install --upgrade . in a newer clone"
        )
