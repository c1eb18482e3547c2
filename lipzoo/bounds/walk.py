"""Walks a Keras model and bounds every tensor in it, or lists what it cannot bound."""

from dataclasses import dataclass, replace

import numpy as np
from keras.backend import is_float_dtype

from lipzoo.bounds.arguments import bound_arguments, refuse_list, refuse_unknown_arguments
from lipzoo.bounds.domain import Range
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.keras_graph import as_function, compute_dtype
from lipzoo.bounds.linear_head import linear_weights, passes_through
from lipzoo.bounds.model_bound import LayerRow, LinearHead
from lipzoo.bounds.nesting import enter, leave
from lipzoo.bounds.origins import is_operation
from lipzoo.bounds.overrides import refuse_replaced
from lipzoo.bounds.recorded_call import Call
from lipzoo.bounds.rule_registry import (
    check_layer,
    has_registered_rule,
    layer_bound,
    takes_one_tensor,
)
from lipzoo.bounds.rules.merging import merge, merge_by_layer, merge_kind, merges_itself
from lipzoo.bounds.rules.operations import known_arguments, operation_bound, refuse_unruled
from lipzoo.bounds.rules.ranges import ranged
from lipzoo.bounds.shapes import refuse_stale_shapes
from lipzoo.bounds.tensor_bound import (
    TensorBound,
    cast_through,
    casts_exactly,
    joined,
)
from lipzoo.keras_internals import nodes_of
from lipzoo.rounding import Interval


@dataclass(frozen=True)
class UncertifiedLayer:
    """A layer that `lipschitz_bound` refuses.

    Attributes:
        name: its name, with the names of the models that it is nested in.
        type: its class.
        reason: what is missing, and what would help.
    """

    name: str
    type: str
    reason: str

    @classmethod
    def of(cls, name: str, error: UncertifiedLayerError) -> "UncertifiedLayer":
        """The layer of this name that an error names."""
        return cls(name, error.layer_class.__name__, error.reason)


@dataclass
class Walk:
    """What is known at the end of a graph, and on the way."""

    outputs: list[TensorBound]
    rows: list[LayerRow]
    head: LinearHead | None


@dataclass(frozen=True)
class _Step:
    """The bounds after one node; a linear head when the node is one."""

    outputs: list[TensorBound]
    head: LinearHead | None = None


def walk_graph(
    function, inputs: list[TensorBound], prefix: str, refused: list | None = None
) -> Walk:
    """Follows a graph; with a list for the layers that are refused, without computing norms."""
    known = {id(tensor): bound for tensor, bound in zip(function.inputs, inputs, strict=True)}
    heads, rows = {}, []
    for node in nodes_of(function):
        if any(id(tensor) not in known for tensor in node.input_tensors):
            continue
        tensors = [known[id(tensor)] for tensor in node.input_tensors]
        try:
            step = _visit(node, tensors, rows, prefix, refused)
        except UncertifiedLayerError as error:
            if refused is None:
                raise
            refused.append(UncertifiedLayer.of(prefix + node.operation.name, error))
            step = _Step(_stand_ins(node, tensors))
        known.update((id(t), bound) for t, bound in zip(node.outputs, step.outputs, strict=True))
        if step.head is not None:
            heads[id(node.outputs[0])] = step.head
        elif _keeps_logits(node) and id(node.input_tensors[0]) in heads:
            heads[id(node.outputs[0])] = heads[id(node.input_tensors[0])]
    last = function.outputs[0] if len(function.outputs) == 1 else None
    return Walk([known[id(t)] for t in function.outputs], rows, heads.get(id(last)))


def _keeps_logits(node) -> bool:
    """Whether a call returns what it is given, to the last bit."""
    if not passes_through(node.operation):
        return False
    return casts_exactly(node.input_tensors[0].dtype, compute_dtype(node))


def _visit(
    node, inputs: list[TensorBound], rows: list[LayerRow], prefix: str, refused: list | None
) -> _Step:
    operation = node.operation
    name = prefix + operation.name
    inner = as_function(operation)
    if inner is not None:
        refuse_unknown_arguments(node)
        walk = walk_graph(inner, enter(node, inner, inputs), f"{name}/", refused)
        rows.extend(walk.rows)
        return _Step(leave(node, inner, walk.outputs), walk.head)

    refuse_replaced(operation)
    is_known_to_rule = has_registered_rule(operation)
    shapes = [tuple(tensor.shape) for tensor in node.input_tensors]
    output_shape, dtype = tuple(node.outputs[0].shape), compute_dtype(node)
    if is_operation(operation) and not is_known_to_rule:
        refuse_unruled(operation)
    refuse_unknown_arguments(node, known_arguments(operation), masks_are_known=is_known_to_rule)
    refuse_stale_shapes(node)
    inputs = [
        cast_through(bound, tensor.dtype, dtype)
        for bound, tensor in zip(inputs, node.input_tensors, strict=True)
    ]
    kind = None if is_known_to_rule else merge_kind(operation)
    head = None
    if kind is not None and (len(inputs) > 1 or not is_operation(operation)):
        bound, merged = merge(operation, kind, inputs, shapes, output_shape, dtype)
        outputs = [merged]
    elif len(inputs) > 1 and merges_itself(operation) and not is_known_to_rule:
        if refused is not None:
            check_layer(operation, shapes)
            return _Step(_stand_ins(node, inputs))
        bound, merged = merge_by_layer(operation, name, inputs, shapes)
        outputs = [merged] * len(node.outputs)
    else:
        joint = inputs[0] if len(inputs) == 1 else joined(inputs)
        if is_operation(operation) and not is_known_to_rule:
            if len(inputs) > 1:
                raise UncertifiedLayerError(operation, "There is no rule for several tensors.")
            arguments = bound_arguments(node)
            bound = operation_bound(Call(operation, arguments, shapes[0], output_shape, dtype))
        else:
            if takes_one_tensor(operation):
                refuse_list(node)
            shape = shapes[0] if len(shapes) == 1 else shapes
            if refused is not None:
                check_layer(operation, shape)
                return _Step(_stand_ins(node, inputs))
            bound = layer_bound(operation, shape)
            head = linear_head(name, operation, shapes, joint)
        outputs = [joint.through(name, bound)] * len(node.outputs)
    rows.append(LayerRow(name, type(operation).__name__, bound, outputs[0].bound.value))
    # Whatever type Keras has recorded, the layer returns the one that it computes in.
    outputs = [
        cast_through(bound, dtype, tensor.dtype) if is_float_dtype(tensor.dtype) else bound
        for bound, tensor in zip(outputs, node.outputs, strict=True)
    ]
    if refused is not None:
        return _Step(_stand_ins(node, inputs), head)
    return _Step(ranged(node, inputs, outputs), head)


def _stand_ins(node, inputs: list[TensorBound]) -> list[TensorBound]:
    """What stands for the tensors behind a layer whose norm is not computed."""
    joint, known = joined(inputs), inputs[0].range
    if known is None:
        return [joint] * len(node.outputs)
    ranges = [
        Range(Interval.of(np.ones((1,) * (len(tensor.shape) - 1))), known.input_norm)
        for tensor in node.outputs
    ]
    return [replace(joint, range=each) for each in ranges]


def linear_head(name, layer, shapes, features) -> LinearHead | None:
    """The layer as the last one of a classifier, if it is linear on vectors."""
    if len(shapes) != 1 or len(shapes[0]) != 2:
        return None
    weights = linear_weights(layer)
    return None if weights is None else LinearHead(name, *weights, features, layer.compute_dtype)
