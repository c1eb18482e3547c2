"""Walks a Keras model and bounds every tensor in it."""

from dataclasses import dataclass

import keras
from keras import tree

from lipzoo.bounds.calls import Call, is_operation
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.head import linear_weights, passes_through
from lipzoo.bounds.merge import merge, merge_by_layer, merge_kind, merges_itself
from lipzoo.bounds.operations import operation_bound
from lipzoo.bounds.recorded import as_function, casts_exactly, compute_dtype
from lipzoo.bounds.registry import has_own_bound, has_registered_rule, layer_bound
from lipzoo.bounds.result import LayerRow, LinearHead, LipschitzBound
from lipzoo.bounds.states import TensorBound, input_tensor, joined
from lipzoo.layer_bound import LayerBound
from lipzoo.rounding import unit_roundoff


def lipschitz_bound(model) -> LipschitzBound:
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
    inputs = [_input(model, tensor, i) for i, tensor in enumerate(function.inputs)]
    walk = _walk(function, inputs, prefix="")
    output = joined(walk.outputs) if len(walk.outputs) > 1 else walk.outputs[0]
    return LipschitzBound(
        model.name,
        output.bound.value,
        tuple(walk.rows),
        output,
        walk.head,
        max(tensor.bound.rounding_slope for tensor in inputs),
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


def _input(model, tensor, position) -> TensorBound:
    if not keras.backend.is_float_dtype(tensor.dtype):
        raise UncertifiedLayerError(
            model,
            f"Its input '{tensor.name}' has type {tensor.dtype}: converting to it is not "
            "continuous. Give the Input a floating point dtype.",
        )
    return input_tensor(position, tensor.dtype)


def _walk(function, inputs: list[TensorBound], prefix: str) -> _Walk:
    known = {id(tensor): bound for tensor, bound in zip(function.inputs, inputs, strict=True)}
    heads, rows = {}, []
    for depth in sorted(function._nodes_by_depth, reverse=True):
        for node in function._nodes_by_depth[depth]:
            if node.is_input or any(id(tensor) not in known for tensor in node.input_tensors):
                continue
            step = _visit(node, [known[id(tensor)] for tensor in node.input_tensors], rows, prefix)
            known.update(
                (id(t), bound) for t, bound in zip(node.outputs, step.outputs, strict=True)
            )
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
    _refuse_training_and_masks(node)
    name = prefix + operation.name
    inner = as_function(operation)
    if inner is not None:
        _check_nesting(operation, inner, node)
        walk = _walk(inner, inputs, prefix=f"{name}/")
        rows.extend(walk.rows)
        return _Step(walk.outputs, walk.head)

    shapes = [tuple(tensor.shape) for tensor in node.input_tensors]
    output_shape, dtype = tuple(node.outputs[0].shape), compute_dtype(node)
    inputs = [_cast(b, t.dtype, dtype) for b, t in zip(inputs, node.input_tensors, strict=True)]
    kind = merge_kind(operation)
    head = None
    if kind is not None and (len(inputs) > 1 or not is_operation(operation)):
        bound, merged = merge(operation, kind, inputs, shapes, output_shape, dtype)
        outputs = [merged]
    elif len(inputs) > 1 and merges_itself(operation) and not has_registered_rule(operation):
        bound, merged = merge_by_layer(operation, name, inputs, shapes)
        outputs = [merged] * len(node.outputs)
    else:
        joint = inputs[0] if len(inputs) == 1 else joined(inputs)
        if is_operation(operation):
            if len(inputs) > 1:
                raise UncertifiedLayerError(operation, "There is no rule for several tensors.")
            arguments = (*node.arguments.args, *node.arguments.kwargs.values())
            bound = operation_bound(Call(operation, arguments, shapes[0], output_shape, dtype))
        else:
            bound = layer_bound(operation, shapes[0] if len(shapes) == 1 else shapes)
            head = _head(name, operation, shapes, joint)
        outputs = [joint.through(name, bound)] * len(node.outputs)
    rows.append(LayerRow(name, type(operation).__name__, bound, outputs[0].bound.value))
    return _Step(outputs, head)


def _head(name, layer, shapes, features) -> LinearHead | None:
    if len(shapes) != 1 or len(shapes[0]) != 2:
        return None
    weights = linear_weights(layer)
    return None if weights is None else LinearHead(name, *weights, features, layer.compute_dtype)


def _cast(tensor: TensorBound, source: str, target: str) -> TensorBound:
    if casts_exactly(source, target):
        return tensor
    cast = LayerBound(1.0, "cast", 0.0, unit_roundoff(target), 0.0)
    return tensor.through("cast", cast)


def _refuse_training_and_masks(node):
    if node.arguments.kwargs.get("training"):
        raise UncertifiedLayerError(node.operation, "The model calls it with training=True.")
    masked = any(getattr(t, "_keras_mask", None) is not None for t in node.input_tensors)
    masks = tree.flatten(node.arguments.kwargs.get("mask"))
    if masked or any(mask is not None for mask in masks):
        raise UncertifiedLayerError(node.operation, "It is called with a mask.")


def _check_nesting(operation, inner, node):
    """Tensors reach a nested model in the order of its inputs only when the structures agree."""
    if len(inner.inputs) == 1 and len(node.input_tensors) == 1:
        return
    structure = getattr(inner, "_inputs_struct", inner.inputs)
    try:
        tree.assert_same_structure(structure, node.arguments.args[0])
    except (ValueError, TypeError, IndexError):
        raise UncertifiedLayerError(
            operation, "It is called with inputs in another structure than it was made with."
        ) from None


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
    if shape is None and layer._inbound_nodes:
        shapes = [tuple(tensor.shape) for tensor in layer._inbound_nodes[0].input_tensors]
        shape = shapes[0] if len(shapes) == 1 else shapes
    if shape is None:
        raise ValueError(
            f"Expected layer '{layer.name}' to be built, so that its input shape is known: call "
            f"layer.build(input_shape) or use it in a model. Received: an unbuilt layer"
        )
    return shape if isinstance(shape, list) else tuple(shape)
