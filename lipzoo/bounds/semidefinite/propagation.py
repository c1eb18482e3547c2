"""Walks a model with ellipsoids where its layers are affine or act on entries."""

import math
from collections.abc import Iterator

import keras

from lipzoo import activations
from lipzoo.bounds.keras_graph import as_function
from lipzoo.bounds.model_bound import LayerRow, LipschitzBound
from lipzoo.bounds.rules.merging import merge_kind
from lipzoo.bounds.rules.shape import IDENTITIES_AT_INFERENCE
from lipzoo.bounds.semidefinite.ellipsoid import Ellipsoid
from lipzoo.bounds.semidefinite.operators import affine_part
from lipzoo.bounds.semidefinite.verified import Unverified
from lipzoo.keras_internals import nn_operations, nodes_of
from lipzoo.rounding import mul_up

# Tensors of more entries are passed by the layers' own bounds: memory and time grow with the
# second and third power.
LARGEST = 4096
_IDENTITIES = (keras.layers.Identity, keras.layers.ActivityRegularization, *IDENTITIES_AT_INFERENCE)
_MONOTONE_OPERATIONS = {
    getattr(nn_operations, name, None): identifier
    for name, identifier in {
        "Relu": "relu",
        "Relu6": "relu6",
        "Tanh": "tanh",
        "Sigmoid": "sigmoid",
        "Softplus": "softplus",
    }.items()
}


class Ellipsoids:
    """One walk: how far the tensors of a model move when its inputs move by 1, all together.

    Args:
        bound: the model's `LipschitzBound`, by products.
        power: see `Ellipsoid.through_activation`.

    Attributes:
        cumulative: Lipschitz bound of every row's output, in the order of the rows.
    """

    def __init__(self, bound: LipschitzBound, power: float):
        self._rows: Iterator[LayerRow] = iter(bound.layers)
        self._power, self._head = power, bound.head
        self.cumulative: list[float] = []
        self.features: Ellipsoid | None = None

    def walk(self, function, inputs: list[Ellipsoid]) -> list[Ellipsoid]:
        """The outputs of a graph from its inputs."""
        known = {id(tensor): found for tensor, found in zip(function.inputs, inputs, strict=True)}
        for node in nodes_of(function):
            if any(id(tensor) not in known for tensor in node.input_tensors):
                continue
            given = [known[id(tensor)] for tensor in node.input_tensors]
            inner = as_function(node.operation)
            if inner is not None:
                outputs = self.walk(inner, given)
            else:
                row = next(self._rows)
                found = self._after(node, given, row)
                if self._head is not None and row.name == self._head.name:
                    self.features = given[0]
                outputs = [found] * len(node.outputs)
            known.update((id(t), e) for t, e in zip(node.outputs, outputs, strict=True))
        return [known[id(tensor)] for tensor in function.outputs]

    def _after(self, node, given: list[Ellipsoid], row: LayerRow) -> Ellipsoid:
        size = size_of(node.outputs[0].shape)
        found = None
        if len(node.outputs) == 1:
            try:
                found = self._sharp(node, given, size)
            except Unverified:
                found = None
        if found is None:
            bound = row.cumulative
            if len(given) == 1:
                bound = min(bound, mul_up(row.bound.value, given[0].bound()))
            self.cumulative.append(bound)
            return Ellipsoid.ball(size, bound)
        self.cumulative.append(min(found.bound(), row.cumulative))
        return found

    def _sharp(self, node, given: list[Ellipsoid], size: int) -> Ellipsoid | None:
        operation = node.operation
        if len(given) == 2 and merge_kind(operation) in ("add", "subtract"):
            if given[0].size != given[1].size:
                return None
            return given[0].plus(given[1], given[0].bound(), given[1].bound())
        if len(given) != 1 or (max(size, given[0].size) > LARGEST and size > LARGEST):
            return None
        (before,) = given
        if type(operation) in _IDENTITIES:
            return before
        if type(operation) in _MONOTONE_OPERATIONS:
            slopes = activations.get(_MONOTONE_OPERATIONS[type(operation)])
            return before.through_activation(slopes.lower, slopes.upper, self._power)
        if not isinstance(operation, keras.layers.Layer):
            return None
        slopes = slopes_of_layer(operation)
        if type(operation) in _ACTIVATIONS:
            return None if slopes is None else before.through_activation(*slopes, self._power)
        operator = affine_part(
            operation, *(tuple(t.shape) for t in (*node.input_tensors, *node.outputs))
        )
        if operator is None or slopes is None:
            return None
        after = before.through_affine(operator)
        return after if slopes == (1.0, 1.0) else after.through_activation(*slopes, self._power)


_ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
)


def slopes_of_layer(layer) -> tuple[float, float] | None:
    """Slopes of what a layer does to every entry at its end; (1, 1) for nothing."""
    if isinstance(layer, keras.layers.ReLU | keras.layers.LeakyReLU):
        slope = float(layer.negative_slope)
        return (0.0, max(1.0, slope)) if slope >= 0 else (slope, 1.0)
    if isinstance(layer, keras.layers.ELU):
        return (0.0, max(1.0, float(layer.alpha))) if layer.alpha >= 0 else None
    function = getattr(layer, "activation", None)
    if function is None or function is keras.activations.linear:
        return 1.0, 1.0
    try:
        found = activations.slopes_of(function)
    except ValueError:
        return None
    return found.lower, found.upper


def size_of(shape) -> int:
    """Number of entries of one example.

    Raises:
        ValueError: if it is not fixed.
    """
    sizes = tuple(shape)[1:]
    if None in sizes:
        raise ValueError(
            "Expected a model of fixed sizes for method='semidefinite'. "
            f"Received: a tensor of shape {tuple(shape)}"
        )
    return math.prod(sizes)
