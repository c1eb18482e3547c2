"""Reads what Keras recorded: the graph of a model, what stands at its end, the types in it."""

import keras
from keras.src.models.functional import Functional

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.head import passes_through
from lipzoo.bounds.overrides import replaces_call
from lipzoo.bounds.registry import has_own_bound

# Types whose values the wider type represents exactly.
_EXACT_CASTS = {
    ("float16", "float32"),
    ("bfloat16", "float32"),
    ("float16", "float64"),
    ("bfloat16", "float64"),
    ("float32", "float64"),
}


def as_function(model) -> keras.Function | None:
    """The recorded graph of a functional or sequential model; `None` for anything else."""
    if has_own_bound(model):
        return None
    if isinstance(model, keras.Sequential) and _calls_as(model, keras.Sequential):
        function = getattr(model, "_functional", None)
        if function is None:
            raise ValueError(
                f"Expected model '{model.name}' to be built: begin it with keras.Input(shape), or "
                f"call it on data. Received: an unbuilt Sequential model"
            )
        return function
    if isinstance(model, Functional) and _calls_as(model, Functional):
        return model
    return model if type(model) is keras.Function else None


def _calls_as(model, base) -> bool:
    """Whether a model computes as its base class does: nothing replaces what calling it does."""
    return not replaces_call(model) and all(
        getattr(type(model), name) is getattr(base, name) for name in ("call", "__call__")
    )


def final_operations(function) -> list:
    """The operation that makes each output, looked up through nested models and no-ops."""
    return [_final_operation(tensor) for tensor in function.outputs]


def _final_operation(tensor):
    while True:
        operation, node_index, tensor_index = tensor._keras_history
        inner = as_function(operation)
        if inner is not None:
            tensor = inner.outputs[tensor_index]
        elif passes_through(operation):
            tensor = operation._inbound_nodes[node_index].input_tensors[0]
        else:
            return operation


def compute_dtype(node) -> str:
    """The floating point type in which a recorded call computes."""
    dtype = getattr(node.operation, "compute_dtype", None) or node.outputs[0].dtype
    if not keras.backend.is_float_dtype(dtype):
        raise UncertifiedLayerError(node.operation, f"It computes in {dtype}.")
    if getattr(node.operation, "autocast", True) is False:
        # Such a layer computes in the type of its inputs, or mixes both types.
        others = [tensor.dtype for tensor in node.input_tensors if tensor.dtype != dtype]
        if others:
            raise UncertifiedLayerError(
                node.operation, f"With autocast=False its {others[0]} input is not cast to {dtype}."
            )
    return dtype


def casts_exactly(source: str, target: str) -> bool:
    """Whether every value of one floating point type is a value of the other."""
    return source == target or (source, target) in _EXACT_CASTS
