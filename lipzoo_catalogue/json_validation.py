"""Checks of JSON values, with errors that name the file and the key."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard


def mismatch(key: str, what: str, received: object) -> str:
    """Returns the text of an error about one key.

    >>> mismatch("arguments.depth", "a positive integer", -1)
    "key 'arguments.depth': expected a positive integer. Received: -1"
    """
    text = repr(received)
    return f"key {key!r}: expected {what}. Received: {text[:200]}"


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number (and not a boolean)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: object) -> TypeGuard[int]:
    """Whether `value` is a positive integer (and not a boolean)."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether `value` is a list, of whatever."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether `value` is what a JSON object is read as."""
    return isinstance(value, dict)


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
    if not is_object(values):
        raise ValueError(f"{where}: {mismatch(prefix.rstrip('.'), 'an object', values)}")
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}."
            raise ValueError(f"{where}: unknown key {prefix + str(key)!r}. {advice}")
    for key in required:
        if key not in values:
            raise ValueError(f"{where}: missing key {prefix + key!r}")
    return values


def check_version(values: Mapping[str, object], current: int, where: str | Path) -> None:
    """Raises `ValueError` unless `values["format_version"]` is one that this lipzoo reads."""
    version = values.get("format_version")
    if not is_count(version):
        raise ValueError(
            f"{where}: {mismatch('format_version', f'an integer from 1 to {current}', version)}"
        )
    if version > current:
        raise ValueError(
            f"{where}: key 'format_version': version {version} was written by a newer lipzoo; this "
            f"one reads up to {current}. Update it: pip install --upgrade . in a newer clone"
        )
