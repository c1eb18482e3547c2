"""Weights: a safetensors file read with NumPy, handed out tensor by tensor."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


def parse_tensors(content: bytes, where: object) -> dict[str, np.ndarray]:
    """Reads the content of a safetensors file: eight bytes of length, a JSON header, the numbers.

    Returns:
        Float64 arrays by name; the stored numbers are converted exactly.

    Raises:
        ValueError: if the header does not describe the content exactly, without gap or overlap, a
            tensor is not of a floating point type, or a number is NaN or infinite.

    >>> header = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    >>> content = len(header).to_bytes(8, "little") + header + np.float32(0.5).tobytes()
    >>> parse_tensors(content, "example")
    {'a': array([0.5])}
    """
    try:
        length = int.from_bytes(content[:8], "little")
        header: dict[str, dict[str, Any]] = json.loads(content[8 : 8 + length].decode("utf-8"))
        header.pop("__metadata__", None)
        entries = {
            name: (entry["dtype"], tuple(entry["shape"]), tuple(entry["data_offsets"]))
            for name, entry in header.items()
        }
        numbers = content[8 + length :]
        end = 0
        for _, _, (first, last) in sorted(entries.values(), key=lambda entry: entry[2]):
            if first != end or last < first:
                raise ValueError(f"a tensor begins at {first}, the one before ends at {end}")
            end = last
        if end != len(numbers):
            raise ValueError(f"the tensors end at {end} of {len(numbers)} bytes")
        return {name: _array(name, numbers, *entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{where}: expected a safetensors file of finite numbers: {error}. "
            f"Received: {len(content)} bytes beginning with {content[:16]!r}"
        ) from None


def _array(
    name: str, numbers: bytes, dtype: str, shape: tuple[Any, ...], offsets: tuple[int, int]
) -> np.ndarray:
    if dtype not in _DTYPES:
        raise ValueError(f"{name!r} is of type {dtype}, not one of {', '.join(_DTYPES)}")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"{name!r} is of shape {shape}")
    flat = np.frombuffer(numbers[slice(*offsets)], _DTYPES[dtype])
    if flat.size != math.prod(shape):
        raise ValueError(f"{name!r} of shape {shape} has {flat.size} numbers")
    if not np.isfinite(flat).all():
        raise ValueError(f"NaN or infinity in {name!r}")
    return flat.reshape(shape).astype("float64")


class Tensors:
    """The tensors of a model, each of which the architecture takes once.

    Args:
        arrays: arrays by name.
        where: name of the file, for errors.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], where: object):
        self._arrays, self._where = dict(arrays), where

    def take(self, name: str, shape: Iterable[int]) -> np.ndarray:
        """Returns a tensor of the shape that the architecture gives it.

        Raises:
            ValueError: if it is missing, was taken before, or has another shape.
        """
        shape = tuple(shape)
        if name not in self._arrays:
            raise ValueError(
                f"{self._where}: expected a tensor {name!r} of shape {shape}. "
                f"Received: {', '.join(sorted(self._arrays)[:6]) or 'no further tensors'}"
            )
        array = self._arrays.pop(name)
        if array.shape != shape:
            raise ValueError(
                f"{self._where}: expected {name!r} of shape {shape}. Received: {array.shape}"
            )
        return array

    def finish(self) -> None:
        """Raises `ValueError` if tensors are left that the architecture has no place for."""
        if self._arrays:
            names = sorted(self._arrays)
            raise ValueError(
                f"{self._where}: expected no other tensors than those of the architecture. "
                f"Received: {len(names)} more, {', '.join(names[:6])}"
            )
