"""Walks a model with ellipsoids where its layers are affine or act on entries."""

import math
from collections.abc import Iterator, Sequence

import keras

from lipzoo import activations
from lipzoo.bounds.keras_graph import as_function
from lipzoo.bounds.model_bound import LayerRow, LipschitzBound
from lipzoo.bounds.rule_registry import has_registered_rule
from lipzoo.bounds.rules.merging import merge_kind
from lipzoo.bounds.rules.shape import IDENTITIES_AT_INFERENCE
from lipzoo.bounds.semidefinite.ellipsoid import Ball, Ellipsoid, summed
from lipzoo.bounds.semidefinite.operators import affine_part
from lipzoo.bounds.semidefinite.tall import LARGEST_MATRIX, Activated, Image
from lipzoo.bounds.semidefinite.verified import Unverified
from lipzoo.keras_internals import nn_operations, nodes_of
from lipzoo.rounding import mul_up

# Tensors of more entries are passed by the layers' own bounds: memory and time grow with the
# second and third power.
LARGEST = 4096
_IDENTITIES = (keras.layers.Identity, keras.layers.ActivityRegularization, *IDENTITIES_AT_INFERENCE)
# What is known of a tensor.
Known = Ball | Ellipsoid | Image | Activated
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
        starts: what walks have in common: the outputs of layers that take a ball, by call.

    Attributes:
        cumulative: Lipschitz bound of every row's output, in the order of the rows; as for large
            tensors they take long, only with the power 0.
        features: how far the input of the model's linear head moves.
    """

    def __init__(self, bound: LipschitzBound, power: float, starts: dict | None = None):
        self._rows: Iterator[LayerRow] = iter(bound.layers)
        self._power, self._head = power, bound.head
        self._starts = {} if starts is None else starts
        self.cumulative: list[float] = []
        self.features: Known | None = None

    def walk(self, function, inputs: Sequence[Known]) -> list[Known]:
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
                outputs = self._after(node, given, row)
                if self._head is not None and row.name == self._head.name:
                    self.features = given[0]
            known.update((id(t), e) for t, e in zip(node.outputs, outputs, strict=True))
        return [known[id(tensor)] for tensor in function.outputs]

    def _after(self, node, given: list[Known], row: LayerRow) -> list[Known]:
        """What is known of every output of a call."""
        sizes = [size_of(tensor.shape) for tensor in node.outputs]
        try:
            bound, found = row.cumulative, self._sharp(node, given, row)
            if found is not None and self._power == 0.0:
                bound = min(bound, found.bound())
            if found is None and len(given) == 1:
                bound = min(bound, mul_up(row.bound.value, given[0].bound()))
        except Unverified:
            bound, found = row.cumulative, None
        if self._power == 0.0:
            self.cumulative.append(bound)
        if found is None:
            return [Ball.of(size, bound) for size in sizes]
        if [found.size] != sizes:
            raise AssertionError(f"{row.name}: {found.size} entries instead of {sizes}")
        return [found]

    def _sharp(self, node, given: list[Known], row: LayerRow) -> Known | None:
        operation = node.operation
        if len(node.outputs) != 1 or has_registered_rule(operation):
            return None
        if len(given) == 2 and merge_kind(operation) in ("add", "subtract"):
            first, second = given
            same = {tuple(tensor.shape) for tensor in (*node.input_tensors, *node.outputs)}
            # Both have the shape of the sum, which copies neither.
            if (
                len(same) == 1
                and isinstance(first, Ball | Ellipsoid)
                and isinstance(second, Ball | Ellipsoid)
            ):
                return summed(first, second)
            return None
        if len(given) != 1:
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
            if slopes is None:
                return None
            # The rule of the layer knows how its constants may be rounded.
            upper = max(slopes[1], row.bound.value)
            return before.through_activation(slopes[0], upper, self._power)
        after = self._after_affine(node, before)
        if after is None or slopes is None or slopes == (1.0, 1.0):
            return None if slopes is None else after
        return after.through_activation(*slopes, self._power)

    def _after_affine(self, node, before: Known) -> Known | None:
        if isinstance(before, Ball) and self._starts.get(id(node), (None,))[0] == before:
            return self._starts[id(node)][1]
        shapes = (tuple(tensor.shape) for tensor in (*node.input_tensors, *node.outputs))
        operator = affine_part(node.operation, *shapes)
        if operator is None or operator.is_identity:
            return None if operator is None else before
        if operator.outputs <= LARGEST:
            after = before.through_affine(operator)
        elif (
            isinstance(before, Ball)
            and operator.inputs <= LARGEST
            and operator.entries <= LARGEST_MATRIX
        ):
            after = Image(operator, before.square)
        else:
            return None
        if isinstance(before, Ball):
            self._starts[id(node)] = before, after
        return after


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
