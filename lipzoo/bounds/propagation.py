"""Walks a Keras model and bounds every tensor in it."""

from dataclasses import dataclass

import keras
from keras.backend import is_float_dtype

from lipzoo.bounds.arguments import bound_arguments, refuse_list, refuse_unknown_arguments
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.keras_graph import as_function, compute_dtype
from lipzoo.bounds.linear_head import linear_weights, passes_through
from lipzoo.bounds.model_bound import LayerRow, LinearHead, LipschitzBound
from lipzoo.bounds.nesting import enter, leave, model_input
from lipzoo.bounds.origins import is_operation
from lipzoo.bounds.overrides import refuse_replaced
from lipzoo.bounds.recorded_call import Call
from lipzoo.bounds.rule_registry import (
    has_own_bound,
    has_registered_rule,
    layer_bound,
    takes_one_tensor,
)
from lipzoo.bounds.rules.merging import merge, merge_by_layer, merge_kind, merges_itself
from lipzoo.bounds.rules.operations import known_arguments, operation_bound, refuse_unruled
from lipzoo.bounds.shapes import refuse_stale_shapes
from lipzoo.bounds.tensor_bound import (
    TensorBound,
    cast_through,
    casts_exactly,
    input_tensor,
    joined,
)
from lipzoo.keras_internals import calls_of, nodes_of


def lipschitz_bound(model: keras.Model) -> LipschitzBound:
    """Proven upper bound of the Lipschitz constant of a model, from its weights as they are now.

        ||f(x) - f(x')|| <= bound ||x - x'||     for all x, x', at inference

    in the Euclidean norm of one example's flattened inputs and outputs. Along a chain of layers the
    bounds multiply, over a sum of branches they add up, over a concatenation their squares do; each
    layer's own bound is derived in float64, every result rounded upwards. The number is one for
    exact arithmetic with the stored weights; `lipzoo.certify` adds what rounding can change.

    Functional and sequential models are followed through branches, nested models, shared layers
    (each application counts), several inputs and outputs, and recorded `keras.ops`. Nothing is
    remembered between calls but layer bounds under a hash of the layer's configuration and weights.

    Args:
        model: a built functional or sequential `keras.Model`, or one built layer. Any other model
            needs a rule, see `register_bound_rule`.

    Returns:
        A `LipschitzBound`: `.value`, `.layers`, `float(...)`, and a table when printed.

    Raises:
        UncertifiedLayerError: if a layer has no rule, or the model is subclassed.
        ValueError: if the model is not built, or a weight is NaN or infinite.
        TypeError: if `model` is not a Keras model or layer.

    Example:
        >>> import keras
        >>> model = keras.Sequential([
        ...     keras.Input((2,)), keras.layers.Rescaling(0.5), keras.layers.ReLU()
        ... ])
        >>> float(lipschitz_bound(model))
        0.5
    """
    if not isinstance(model, keras.Operation):
        raise TypeError(f"Expected a Keras model or layer. Received: {model!r}")
    function = as_function(model)
    if function is None:
        return _bound_of_layer(model)
    inputs = [model_input(model, function, i) for i in range(len(function.inputs))]
    walk = _walk(function, inputs, prefix="")
    output = joined(walk.outputs) if len(walk.outputs) > 1 else walk.outputs[0]
    return LipschitzBound(
        model.name,
        output.bound.value,
        tuple(walk.rows),
        output,
        walk.head,
        # Known of every input.
        max(tensor.bound.rounding_slope for tensor in inputs),  # pyright: ignore[reportArgumentType]
    )


@dataclass
class _Walk:
    outputs: list[TensorBound]
    rows: list[LayerRow]
    head: LinearHead | None


@dataclass(frozen=True)
class _Step:
    """The bounds after one node; a linear head when the node is one."""

    outputs: list[TensorBound]
    head: LinearHead | None = None


def _walk(function, inputs: list[TensorBound], prefix: str) -> _Walk:
    known = {id(tensor): bound for tensor, bound in zip(function.inputs, inputs, strict=True)}
    heads, rows = {}, []
    for node in nodes_of(function):
        if any(id(tensor) not in known for tensor in node.input_tensors):
            continue
        step = _visit(node, [known[id(tensor)] for tensor in node.input_tensors], rows, prefix)
        known.update((id(t), bound) for t, bound in zip(node.outputs, step.outputs, strict=True))
        if step.head is not None:
            heads[id(node.outputs[0])] = step.head
        elif _keeps_logits(node) and id(node.input_tensors[0]) in heads:
            heads[id(node.outputs[0])] = heads[id(node.input_tensors[0])]
    last = function.outputs[0] if len(function.outputs) == 1 else None
    return _Walk([known[id(t)] for t in function.outputs], rows, heads.get(id(last)))


def _keeps_logits(node) -> bool:
    """Whether a call returns what it is given, to the last bit."""
    if not passes_through(node.operation):
        return False
    return casts_exactly(node.input_tensors[0].dtype, compute_dtype(node))


def _visit(node, inputs: list[TensorBound], rows: list[LayerRow], prefix: str) -> _Step:
    operation = node.operation
    name = prefix + operation.name
    inner = as_function(operation)
    if inner is not None:
        refuse_unknown_arguments(node)
        walk = _walk(inner, enter(node, inner, inputs), prefix=f"{name}/")
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
            bound = layer_bound(operation, shapes[0] if len(shapes) == 1 else shapes)
            head = _head(name, operation, shapes, joint)
        outputs = [joint.through(name, bound)] * len(node.outputs)
    rows.append(LayerRow(name, type(operation).__name__, bound, outputs[0].bound.value))
    # Whatever type Keras has recorded, the layer returns the one that it computes in.
    outputs = [
        cast_through(bound, dtype, tensor.dtype) if is_float_dtype(tensor.dtype) else bound
        for bound, tensor in zip(outputs, node.outputs, strict=True)
    ]
    return _Step(outputs, head)


def _head(name, layer, shapes, features) -> LinearHead | None:
    if len(shapes) != 1 or len(shapes[0]) != 2:
        return None
    weights = linear_weights(layer)
    return None if weights is None else LinearHead(name, *weights, features, layer.compute_dtype)


def _bound_of_layer(layer) -> LipschitzBound:
    if not isinstance(layer, keras.layers.Layer):
        raise UncertifiedLayerError(layer, "It is not a layer.")
    if isinstance(layer, keras.Model) and not has_own_bound(layer):
        raise UncertifiedLayerError(
            layer,
            "It is a subclassed model: what its `call` computes cannot be followed. Build it from "
            "layers with the functional interface, keras.Model(inputs, outputs).",
        )
    shape = _built_shape(layer)
    bound = layer_bound(layer, shape)
    if isinstance(shape, list):
        start = joined([input_tensor(i, layer.compute_dtype) for i in range(len(shape))])
    else:
        start = input_tensor(0, layer.compute_dtype)
    output = start.through(layer.name, bound)
    row = LayerRow(layer.name, type(layer).__name__, bound, output.bound.value)
    head = None if isinstance(shape, list) else _head(layer.name, layer, [shape], start)
    return LipschitzBound(layer.name, output.bound.value, (row,), output, head)


def _built_shape(layer):
    shape = (layer.get_build_config() or {}).get("input_shape")
    if shape is None and (calls := calls_of(layer)):
        shapes = [tuple(tensor.shape) for tensor in calls[0].input_tensors]
        shape = shapes[0] if len(shapes) == 1 else shapes
    if shape is None:
        raise ValueError(
            f"Expected layer '{layer.name}' to be built, so that its input shape is known: call "
            f"layer.build(input_shape) or use it in a model. Received: an unbuilt layer"
        )
    return shape if isinstance(shape, list) else tuple(shape)
