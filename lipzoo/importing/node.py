"""One node of an ONNX file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        op: name of the operator.
        name: its name, or that of what it makes where it has none.
        inputs: names of what it takes, `""` where an optional one is left out.
        outputs: names of what it makes.
        attributes: numbers, texts, lists of these, and arrays.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
