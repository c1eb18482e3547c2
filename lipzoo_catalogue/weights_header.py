"""The header of a safetensors file: names, types and shapes, without the numbers."""

import json
import math
from pathlib import Path
from typing import Any


def count_parameters(content: bytes, where: str | Path = "the weights") -> int:
    """Returns the number of parameters in a safetensors file, from its header alone.

    Raises:
        ValueError: if the header is none.

    >>> header = b'{"head.kernel": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}}'
    >>> count_parameters(len(header).to_bytes(8, "little") + header + bytes(24))
    6
    """
    length = int.from_bytes(content[:8], "little")
    try:
        header: dict[str, Any] = json.loads(content[8 : 8 + length])
        shapes: list[list[int]] = [
            entry["shape"] for name, entry in header.items() if name != "__metadata__"
        ]
        return sum(math.prod(shape) for shape in shapes)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{where}: expected the header of a safetensors file. Received: {content[:16]!r}"
        ) from None
