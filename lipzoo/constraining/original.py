"""What is proven of the calls of the model that is to be constrained."""

from typing import cast

import keras

from lipzoo.bounds.arguments import bound_arguments, refuse_list, refuse_unknown_arguments
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.keras_graph import compute_dtype
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.origins import is_operation
from lipzoo.bounds.overrides import refuse_replaced
from lipzoo.bounds.recorded_call import Call as RecordedCall
from lipzoo.bounds.rule_registry import has_registered_rule, layer_bound, takes_one_tensor
from lipzoo.bounds.rules.merging import merge, merge_kind
from lipzoo.bounds.rules.operations import known_arguments, operation_bound, refuse_unruled
from lipzoo.bounds.shapes import refuse_stale_shapes
from lipzoo.bounds.tensor_bound import input_tensor
from lipzoo.constraining.graph import Call
from lipzoo.constraining.replacement import copied


def merges(call: Call) -> str | None:
    """How a call merges several tensors; None where it takes one, or does something else."""
    operation = call.operation
    if has_registered_rule(operation) or (len(call.inputs) == 1 and is_operation(operation)):
        return None
    return merge_kind(operation)


def original_bound(call: Call, softmax=True) -> LayerBound:
    """Bound of one call, as a map of all its inputs together, as `lipschitz_bound` has it.

    Args:
        call: of a layer or operation.
        softmax: whether its activation counts.

    Raises:
        UncertifiedLayerError: if there is none.
        ValueError: for weights that are not finite.
    """
    operation, node = call.operation, call.node
    refuse_replaced(operation)
    ruled = has_registered_rule(operation)
    if is_operation(operation) and not ruled:
        refuse_unruled(operation)
    refuse_unknown_arguments(node, known_arguments(operation), masks_are_known=ruled)
    refuse_stale_shapes(node)
    dtype = compute_dtype(node)
    kind = merges(call)
    if kind is not None:
        tensors = [input_tensor(0, dtype) for _ in call.inputs]
        return merge(operation, kind, tensors, call.shapes, call.output_shape, dtype)[0]
    if is_operation(operation) and not ruled:
        if len(call.inputs) > 1:
            raise UncertifiedLayerError(operation, "There is no rule for several tensors.")
        shapes = (call.shapes[0], call.output_shape)
        return operation_bound(RecordedCall(operation, bound_arguments(node), *shapes, dtype))
    if takes_one_tensor(operation):
        refuse_list(node)
    if not softmax:
        operation = _without_activation(operation, call.shapes[0])
    return layer_bound(operation, call.shapes[0] if len(call.shapes) == 1 else call.shapes)


def _without_activation(layer, shape) -> keras.layers.Layer:
    linear = copied(layer, activation="linear")
    linear.build(shape)
    linear.set_weights(layer.get_weights())
    return cast(keras.layers.Layer, linear)
