"""The identity of a part of certified examples: a hash of its columns."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def digest_of(columns: Mapping[str, np.ndarray], before: str = "") -> str:
    """SHA-256 of the columns of a part, in hexadecimal digits, behind what came before."""
    digest = hashlib.sha256(before.encode())
    for name in sorted(columns):
        column = np.asarray(columns[name])
        digest.update(f"{name}{column.shape}".encode())
        if column.dtype.kind in "OUST":
            digest.update(json.dumps([_text(value) for value in column.tolist()]).encode())
        elif column.dtype.kind in "cV":
            digest.update(np.ascontiguousarray(column).tobytes())
        else:
            kind = "<f8" if column.dtype.kind == "f" else "<i8"
            digest.update(np.ascontiguousarray(column, kind).tobytes())
    return digest.hexdigest()


def _text(value: Any) -> str:
    """An entry of a column as text; of an array a hash, since NumPy shortens its text."""
    entry: Any = value
    if isinstance(value, np.ndarray):
        return digest_of({"": entry})
    if isinstance(value, dict):
        return str([(str(key), _text(entry[key])) for key in entry])
    return str([_text(one) for one in entry]) if isinstance(value, list | tuple) else str(entry)
