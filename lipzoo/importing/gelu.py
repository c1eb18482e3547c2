"""Recognises GELU, which older files write out by the error function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lipzoo.importing.node import Node

_ROOT = 2**0.5
# Of constants that are float32 numbers, or were given with a few digits.
_CLOSE = 1e-6


def with_gelu(
    nodes: Sequence[Node], constants: Mapping[str, np.ndarray]
) -> tuple[list[Node], dict[str, np.ndarray]]:
    """The nodes with `x (1 + erf(x / sqrt 2))` as `2 Gelu(x)`, and `x / 2` times it as `Gelu(x)`.

    What a product of two tensors has not, a Lipschitz bound, GELU has. The nodes before the product
    stay, for whatever else takes what they make. Factors of 2 are exact.

    Args:
        nodes: in the order of the file.
        constants: arrays by name.

    Returns:
        The nodes, and the constants with those that the new nodes take.
    """
    makers = {name: node for node in nodes for name in node.outputs}
    written_out = _WrittenOut(makers, constants)
    found, constants = [], dict(constants)
    for node in nodes:
        source, factor = written_out.gelu(node)
        if source is None:
            found.append(node)
            continue
        inner = f"{node.outputs[0]}.gelu"
        if factor == 1:
            found.append(Node("Gelu", node.name, (source,), node.outputs, {}))
            continue
        constants[f"{inner}.two"] = np.array(2, "float32")
        found.append(Node("Gelu", f"{node.name}_gelu", (source,), (inner,), {}))
        found.append(Node("Mul", node.name, (inner, f"{inner}.two"), node.outputs, {}))
    return found, constants


@dataclass(frozen=True)
class _WrittenOut:
    makers: Mapping[str, Node]
    constants: Mapping[str, np.ndarray]

    def gelu(self, node) -> tuple[str | None, int]:
        """What a product is the GELU of, and how many times that; `None` for any other node."""
        if node.op == "Mul" and len(node.inputs) == 2:
            for one, gate in (node.inputs, node.inputs[::-1]):
                source = self._source_of_gate(gate)
                if source is not None and one == source:
                    return source, 2
                if source is not None and self._half_of(one) == source:
                    return source, 1
        return None, 0

    def _source_of_gate(self, name):
        """The x of `1 + erf(x / sqrt 2)`."""
        error = self._other(name, "Add", 1.0)
        maker = None if error is None else self.makers.get(error)
        if maker is None or maker.op != "Erf":
            return None
        (inside,) = maker.inputs
        return self._other(inside, "Div", _ROOT) or self._other(inside, "Mul", 1 / _ROOT)

    def _half_of(self, name):
        return self._other(name, "Mul", 0.5) or self._other(name, "Div", 2.0)

    def _other(self, name, op, number):
        """What a node takes beside a number; `None` where the node is another."""
        maker = self.makers.get(name)
        if maker is None or maker.op != op or len(maker.inputs) != 2:
            return None
        one, other = maker.inputs
        if self._is(other, number):
            return one
        return other if op != "Div" and self._is(one, number) else None

    def _is(self, name, number) -> bool:
        array = self.constants.get(name)
        maker = self.makers.get(name)
        if array is None and maker is not None and maker.op == "Constant":
            array = maker.attributes.get("value")
        if not isinstance(array, np.ndarray) or array.size != 1 or array.ndim > 1:
            return False
        return bool(abs(float(array.ravel()[0]) - number) <= _CLOSE * number)
