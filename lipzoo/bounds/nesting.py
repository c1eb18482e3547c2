"""What happens to a tensor on its way into a nested model: casts, added or dropped last axes."""

from dataclasses import replace

import keras
from keras import tree

from lipzoo.bounds.domain import Domain
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.tensor_bound import TensorBound, cast_through, input_tensor
from lipzoo.keras_internals import casts_inputs


def model_inputs(model, function, domain: Domain | None = None) -> list[TensorBound]:
    """The inputs of a model that is called on arrays, in a box or anywhere.

    Raises:
        UncertifiedLayerError: if the model takes one as integers.
    """
    tensors = [
        input_tensor(position, *_types(model, tensor))
        for position, tensor in enumerate(function.inputs)
    ]
    if domain is None:
        return tensors
    ranges = domain.ranges([tuple(tensor.shape) for tensor in function.inputs])
    return [replace(tensor, range=each) for tensor, each in zip(tensors, ranges, strict=True)]


def enter(node, inner, tensors: list[TensorBound]) -> list[TensorBound]:
    """The inputs of a nested model, from the tensors that a recorded call hands to it.

    Keras casts each tensor to the type of the model's `Input`, and drops or appends a last axis of
    size 1 where the ranks differ by one. Every cast is counted here.

    Args:
        node: the call.
        inner: the graph that the operation called stands for.
        tensors: `TensorBound` of each tensor of the call.

    Raises:
        UncertifiedLayerError: where the structures, shapes or types do not fit the model, or a cast
            is not continuous.
    """
    _check_structure(node.operation, inner, node)
    entered = []
    for bound, tensor, target in zip(tensors, node.input_tensors, inner.inputs, strict=True):
        _check_shape(node.operation, tuple(tensor.shape), tuple(target.shape))
        _check_type(node.operation, tensor, target)
        cast = cast_through(bound, tensor.dtype, *_types(node.operation, target))
        if cast.range is not None:
            cast = replace(cast, range=cast.range.with_rank(len(target.shape) - 1))
        entered.append(cast)
    return entered


def leave(node, inner, outputs: list[TensorBound]) -> list[TensorBound]:
    """The outputs of a nested model as the graph around it has recorded them.

    Raises:
        UncertifiedLayerError: if their shapes are not those.
    """
    for tensor, recorded in zip(inner.outputs, node.outputs, strict=True):
        if not may_be(tuple(tensor.shape), tuple(recorded.shape)):
            raise UncertifiedLayerError(
                node.operation,
                f"It returns shape {tuple(tensor.shape)}, recorded is {tuple(recorded.shape)}: "
                "give it inputs of the shape that it was made for.",
            )
    # Keras may have recorded another type than the model computes, which does not hide a cast then.
    return [
        cast_through(bound, tensor.dtype, recorded.dtype)
        for bound, tensor, recorded in zip(outputs, inner.outputs, node.outputs, strict=True)
    ]


def may_be(shape, recorded) -> bool:
    """Whether a tensor of a shape, partly unknown, may have the recorded shape in every run."""
    return len(shape) == len(recorded) and all(
        size is None or other is None or size == other
        for size, other in zip(shape, recorded, strict=True)
    )


def _types(model, target) -> list[str]:
    """The types that Keras casts a tensor to on its way into an input of a model, in order."""
    types = [target.dtype]
    if isinstance(model, keras.Model) and casts_inputs(model):
        types.insert(0, model.input_dtype)
    for dtype in types:
        if not keras.backend.is_float_dtype(dtype):
            raise UncertifiedLayerError(
                model,
                f"Its input '{target.name}' has type {dtype}: converting to it is not continuous. "
                "Give the Input a floating point dtype.",
            )
    return types


def _check_type(model, tensor, target):
    """A plain `keras.Function` takes tensors as they are, whatever it has recorded."""
    if not isinstance(model, keras.Model) and tensor.dtype != target.dtype:
        raise UncertifiedLayerError(
            model, f"It is called on {tensor.dtype} and was recorded with {target.dtype}."
        )


def _check_shape(model, shape, expected):
    adjusted = shape
    if isinstance(model, keras.Model):
        if len(shape) == len(expected) + 1 and shape[-1] == 1:
            adjusted = shape[:-1]
        elif len(shape) == len(expected) - 1 and expected[-1] == 1:
            adjusted = (*shape, 1)
    fits = len(adjusted) == len(expected) and all(
        size in (None, given) for size, given in zip(expected, adjusted, strict=True)
    )
    if not fits:
        raise UncertifiedLayerError(
            model,
            f"It is called on shape {shape}, and the bounds of its layers hold for {expected}: "
            "give both inputs the same shape.",
        )


def _check_structure(model, inner, node):
    """Tensors reach a nested model in the order of its inputs only when the structures agree."""
    if len(inner.inputs) == 1 and len(node.input_tensors) == 1:
        return
    structure = getattr(inner, "_inputs_struct", inner.inputs)
    try:
        tree.assert_same_structure(structure, node.arguments.args[0])
    except (ValueError, TypeError, IndexError):
        raise UncertifiedLayerError(
            model, "It is called with inputs in another structure than it was made with."
        ) from None
