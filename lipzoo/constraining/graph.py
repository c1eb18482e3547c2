"""A model as one flat list of calls, nested models inlined."""

from dataclasses import dataclass, field
from typing import Any

from lipzoo.bounds.arguments import refuse_unknown_arguments
from lipzoo.bounds.keras_graph import as_function
from lipzoo.constraining.refusals import Refusals
from lipzoo.keras_internals import nodes_of


@dataclass(frozen=True)
class Call:
    """One call of a layer or operation.

    Attributes:
        node: Keras' record of it.
        name: of the layer, with the names of the models around it.
        inputs, outputs: numbers of the tensors.
    """

    node: Any
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def operation(self) -> Any:
        """The layer or operation."""
        return self.node.operation

    @property
    def shapes(self) -> list[tuple]:
        """Shapes of the tensors that it takes."""
        return [tuple(tensor.shape) for tensor in self.node.input_tensors]

    @property
    def output_shape(self) -> tuple:
        """Shape of its first output."""
        return tuple(self.node.outputs[0].shape)


@dataclass
class Graph:
    """All calls of a model in the order of computation; tensors have numbers.

    Attributes:
        calls: the calls.
        inputs, outputs: tensors of the model.
    """

    calls: list[Call] = field(default_factory=list)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    _count: int = 0

    def new_tensors(self, count: int) -> tuple[int, ...]:
        """Numbers for so many new tensors."""
        self._count += count
        return tuple(range(self._count - count, self._count))

    def calls_of(self, operation) -> int:
        """How often a layer is called."""
        return sum(call.operation is operation for call in self.calls)

    def users_of(self, tensor: int) -> int:
        """How often a tensor is taken: by calls, and as an output of the model."""
        return sum(call.inputs.count(tensor) for call in self.calls) + self.outputs.count(tensor)

    def maker_of(self, tensor: int) -> Call | None:
        """The call that made a tensor; None for an input."""
        return next((call for call in self.calls if tensor in call.outputs), None)


def flat_graph(function, refusals: Refusals) -> Graph:
    """The calls of a model; nested models that are called in an unusual way are refused."""
    graph = Graph()
    graph.inputs = graph.new_tensors(len(function.inputs))
    graph.outputs = _inline(graph, function, graph.inputs, "", refusals)
    return graph


def _inline(graph, function, inputs, prefix, refusals) -> tuple[int, ...]:
    known = {id(tensor): i for tensor, i in zip(function.inputs, inputs, strict=True)}
    for node in nodes_of(function):
        if any(id(tensor) not in known for tensor in node.input_tensors):
            continue
        given = tuple(known[id(tensor)] for tensor in node.input_tensors)
        name = prefix + node.operation.name
        inner = refusals.noted(node.operation, as_function, node.operation)
        made = graph.new_tensors(len(node.outputs))
        if inner is None:
            graph.calls.append(Call(node, name, given, made))
        else:
            refusals.noted(node.operation, refuse_unknown_arguments, node)
            if not _fits(node, inner):
                refusals.add(
                    node.operation,
                    "It is called on other shapes, types or structures than it was made for.",
                    "call it on what it was made for",
                )
            else:
                made = _inline(graph, inner, given, f"{name}_", refusals)
        known.update((id(tensor), i) for tensor, i in zip(node.outputs, made, strict=True))
    return tuple(known[id(tensor)] for tensor in function.outputs)


def _fits(node, inner) -> bool:
    taken, expected = node.input_tensors, inner.inputs
    # Of several inputs only a list keeps the order for sure.
    plain = len(expected) == 1 or isinstance(inner.input, list)
    return (
        plain
        and len(taken) == len(expected)
        and all(
            tuple(tensor.shape) == tuple(target.shape) and tensor.dtype == target.dtype
            for tensor, target in zip(taken, expected, strict=True)
        )
    )
