"""From a graph of an ONNX file to a functional Keras model, node by node."""

import math
from typing import Any

import keras
import numpy as np

from lipzoo.importing.call import Call, Names, Value
from lipzoo.importing.constants import FOLDED, folded, shape_of
from lipzoo.importing.errors import UnsupportedNodeError
from lipzoo.importing.graph import Graph
from lipzoo.importing.node import Node
from lipzoo.importing.operators import OPERATORS
from lipzoo.importing.tensor import Tensor, file_order

# Entries of one example of a tensor.
_LARGEST = 2**27


def translate(graph: Graph, name: str) -> keras.Model:
    """The model that computes what a graph computes.

    Raises:
        UnsupportedNodeError: naming the first node that is not read.
    """
    return _Translation(graph).run(name)


class _Translation:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.names = Names()
        self.values: dict[str, Any] = dict(graph.constants)
        self.absorbed: set[str] = set()
        self.users = {name: node for node in graph.nodes for name in node.inputs}

    def run(self, name: str) -> keras.Model:
        """Makes the model."""
        # Constants first, so that a bias is known where the product is read.
        for node in self.graph.nodes:
            if all(not taken or taken in self.values for taken in node.inputs):
                self._fold(node)
        inputs = [
            keras.Input(shape[1:], name=self.names.new(entry, "input"))
            for entry, shape in self.graph.inputs
        ]
        for (entry, shape), tensor in zip(self.graph.inputs, inputs, strict=True):
            self.values[entry] = Tensor(tensor, file_order(len(shape)))
        for node in self.graph.nodes:
            if any(made not in self.values for made in node.outputs if made):
                self._visit(node)
        outputs = [self._output(entry) for entry in self.graph.outputs]
        return keras.Model(
            inputs if len(inputs) > 1 else inputs[0],
            outputs if len(outputs) > 1 else outputs[0],
            name=name,
        )

    def following_shift(
        self, node: Node, size: int, rank: int, trailing: int = 0
    ) -> np.ndarray | None:
        """The bias that the one node behind a product adds to it, which is then left out.

        Args:
            node: the product.
            size: how many numbers the bias has.
            rank: axes of the product.
            trailing: axes behind the one that the bias runs along.
        """
        (made,) = node.outputs
        user = self.users.get(made)
        if self.graph.uses[made] != 1 or user is None or user.op != "Add":
            return None
        (other,) = (taken for taken in user.inputs if taken != made)
        shift = self.values.get(other)
        if not isinstance(shift, np.ndarray) or shift.dtype != np.float32 or shift.ndim > rank:
            return None
        shape = (size, *(1,) * trailing)
        if shift.shape[-len(shape) :] != shape or shift.size != size:
            return None
        self.absorbed.add(user.outputs[0])
        return shift.ravel()

    def _visit(self, node):
        inputs: list[Value] = [self._value(node, name) for name in node.inputs]
        tensors = [value for value in inputs if isinstance(value, Tensor)]
        if node.outputs[0] in self.absorbed:
            self._store(node, tensors)
        elif not tensors:
            self._fold(node)
        elif node.op == "Shape":
            self._store(node, [shape_of(node, tensors[0], self.graph)])
        else:
            self._store(node, self._converted(node, inputs))

    def _converted(self, node, inputs):
        operator = OPERATORS.get(node.op)
        if operator is None:
            raise UnsupportedNodeError(
                node,
                f"Expected one of {', '.join(sorted(OPERATORS))}. Received: {node.op}",
            )
        call = Call(node, inputs, self.graph, self.names, self.following_shift)
        try:
            found = operator.convert(call)
        except UnsupportedNodeError:
            raise
        except Exception as error:
            # Whatever Keras or NumPy say of sizes that do not fit.
            raise UnsupportedNodeError(node, f"{type(error).__name__}: {error}") from error
        return found if isinstance(found, list) else [found]

    def _fold(self, node):
        if node.op not in FOLDED and node.op in OPERATORS:
            call = Call(node, (), self.graph, self.names, self.following_shift)
            call.refuse("a tensor that depends on the input", "constants alone")
        inputs = [self._value(node, name) for name in node.inputs]
        try:
            found = folded(node, inputs, self.graph)
        except UnsupportedNodeError:
            raise
        except Exception as error:
            raise UnsupportedNodeError(node, f"{type(error).__name__}: {error}") from error
        self._store(node, found)

    def _value(self, node, name) -> Value:
        if not name:
            return None
        if name not in self.values:
            raise UnsupportedNodeError(
                node,
                f"Expected inputs that nodes before it make. Received: {name!r}, a further "
                "output that is not read, or none of the file",
            )
        return self.values[name]

    def _store(self, node, values):
        for name, value in zip(node.outputs, values, strict=False):
            if isinstance(value, Tensor):
                entries = math.prod(value.shape[1:])
                if value.shape[0] is not None or not 0 < entries <= _LARGEST:
                    reason = f"Expected a tensor of a batch, of 1 to {_LARGEST:,} entries each."
                    raise UnsupportedNodeError(node, f"{reason} Received: shape {value.shape}")
            if name:
                self.values[name] = value

    def _output(self, name):
        value = self.values.get(name)
        if not isinstance(value, Tensor):
            raise ValueError(
                "Expected outputs that depend on the input. "
                f"Received: output {name!r}, which is constant or not read"
            )
        order = file_order(value.rank)
        if value.order == order:
            return value.keras
        places = tuple(value.order.index(axis) for axis in order)
        layer = keras.layers.Permute(places[1:], name=self.names.new(f"{name}_permute", "Permute"))
        return layer(value.keras)
