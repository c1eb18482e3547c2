"""Reads what Keras recorded: the graph of a model, what stands at its end, the types in it."""

import keras

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.linear_head import passes_through
from lipzoo.bounds.origins import defined_in
from lipzoo.bounds.overrides import HARMLESS_IN_LAYERS, replaced_members
from lipzoo.bounds.rule_registry import has_own_bound
from lipzoo.keras_internals import Functional, casts_inputs, function_of_sequential, made_by

# Beside what is harmless in any layer: what Keras' models add to layers, which is training,
# prediction in batches, saving and reports, but for calling itself.
_HARMLESS_IN_MODELS = HARMLESS_IN_LAYERS | {
    name
    for kind in keras.Model.__mro__
    if kind not in keras.layers.Layer.__mro__
    for name in vars(kind)
    if name not in ("call", "__call__")
}
_HARMLESS_IN_MODELS |= {"losses", "metrics", "trainable", "trainable_variables", "weights"}


def as_function(model) -> keras.Function | None:
    """The recorded graph of a functional or sequential model; `None` for anything else."""
    if has_own_bound(model):
        return None
    if isinstance(model, keras.Sequential) and _calls_as(model, keras.Sequential):
        function = function_of_sequential(model)
        if function is None:
            raise ValueError(
                f"Expected model '{model.name}' to be built: begin it with keras.Input(shape), or "
                f"call it on data. Received: an unbuilt Sequential model"
            )
        # Calling the model calls this.
        return function if _calls_as(function, Functional) else None
    if isinstance(model, Functional) and _calls_as(model, Functional):
        return model
    return model if type(model) is keras.Function else None


def _calls_as(model, base) -> bool:
    """Whether a model computes as its base class does: nothing replaces what calling it does.

    Keras calls a model by names that its own classes define; a class of the user's may define those
    that leave the call alone, and any others.
    """
    if replaced_members(model, _HARMLESS_IN_MODELS):
        return False
    for kind in type(model).__mro__:
        if kind is base:
            return True
        names = {name for name in vars(kind) if name == "__getattr__" or hasattr(base, name)}
        if names - _HARMLESS_IN_MODELS and not defined_in(kind, "lipzoo"):
            return False
    return False


def final_operations(function) -> list:
    """The operation that makes each output, looked up through nested models and no-ops."""
    return [_final_operation(tensor) for tensor in function.outputs]


def _final_operation(tensor):
    while True:
        operation, node, position = made_by(tensor)
        inner = as_function(operation)
        if inner is not None:
            tensor = inner.outputs[position]
        elif passes_through(operation):
            tensor = node.input_tensors[0]
        else:
            return operation


def compute_dtype(node) -> str:
    """The floating point type in which a recorded call computes."""
    dtype = getattr(node.operation, "compute_dtype", None) or node.outputs[0].dtype
    if not keras.backend.is_float_dtype(dtype):
        raise UncertifiedLayerError(node.operation, f"It computes in {dtype}.")
    if not casts_inputs(node.operation):
        # Such a layer computes in the type of its inputs, or mixes both types.
        others = [tensor.dtype for tensor in node.input_tensors if tensor.dtype != dtype]
        if others:
            raise UncertifiedLayerError(
                node.operation, f"With autocast=False its {others[0]} input is not cast to {dtype}."
            )
    return dtype
