"""Checks of JSON values, with errors that name the file and the key."""

import difflib
import math


def mismatch(key, what, received) -> str:
    """Returns the text of an error about one key.

    >>> mismatch("arguments.depth", "a positive integer", -1)
    "key 'arguments.depth': expected a positive integer. Received: -1"
    """
    text = repr(received)
    return f"key {key!r}: expected {what}. Received: {text[:200]}"


def is_number(value) -> bool:
    """Whether `value` is a finite number (and not a boolean)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value) -> bool:
    """Whether `value` is a positive integer (and not a boolean)."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_sha256(value) -> bool:
    """Whether `value` is a SHA-256 in lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def check_keys(values, known, required, where, prefix="") -> None:
    """Raises `ValueError` for an unknown key of `values`, or a required one that is missing."""
    if not isinstance(values, dict):
        raise ValueError(f"{where}: {mismatch(prefix.rstrip('.'), 'an object', values)}")
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}."
            raise ValueError(f"{where}: unknown key {prefix + str(key)!r}. {advice}")
    for key in required:
        if key not in values:
            raise ValueError(f"{where}: missing key {prefix + key!r}")


def check_version(values, current, where) -> None:
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
