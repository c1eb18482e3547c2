"""Whether the shapes that Keras recorded are still those that the layers compute."""

import functools

import keras
from keras import tree

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.nesting import may_be
from lipzoo.bounds.origins import defined_in


def refuse_stale_shapes(node) -> None:
    """Refuses a recorded call whose result would have another shape today.

    The bounds of all that follows rest on the recorded shape. Keras' and lipzoo's classes are asked
    for the shape; for any other class, `call` is traced, as far as that can be done.

    Raises:
        UncertifiedLayerError: see there.
    """
    computed = _computed(node)
    recorded = [tuple(tensor.shape) for tensor in node.outputs]
    if computed is None:
        return
    fits = len(computed) == len(recorded) and all(map(may_be, computed, recorded))
    if not fits:
        raise UncertifiedLayerError(
            node.operation,
            f"It returns shape {_shown(computed)} now, and {_shown(recorded)} was recorded, which "
            "the layers behind it rely on. Build the model anew after changing attributes.",
        )


def _computed(node) -> list | None:
    operation, arguments = node.operation, node.arguments
    says = any(defined_in(type(operation), package) for package in ("keras", "lipzoo"))
    try:
        if says and _takes_a_shape(operation, arguments):
            # The same without the search for the arguments of `compute_output_shape`.
            shape = operation.compute_output_shape(tuple(arguments.args[0].shape))
            return [tuple(shape)]
        if says:
            result = operation.compute_output_spec(*arguments.args, **arguments.kwargs)
        else:
            cast = functools.partial(_as_computed, operation)
            args, kwargs = arguments.convert(cast)
            result = keras.Operation.compute_output_spec(operation, *args, **kwargs)
        return [tuple(tensor.shape) for tensor in tree.flatten(result)]
    except Exception as error:
        if says:
            raise UncertifiedLayerError(
                operation, f"Its output has no shape now: {error}"
            ) from error
        return None


def _takes_a_shape(operation, arguments) -> bool:
    """Whether Keras asks the class for the shape of its output from that of its only tensor."""
    return (
        len(arguments.args) == 1
        and isinstance(arguments.args[0], keras.KerasTensor)
        and len(arguments.keras_tensors) == 1
        and _states_shape(type(operation))
    )


@functools.lru_cache(maxsize=1024)
def _states_shape(kind: type) -> bool:
    return issubclass(kind, keras.layers.Layer) and (
        kind.compute_output_spec is keras.layers.Layer.compute_output_spec
        and kind.compute_output_shape is not keras.layers.Layer.compute_output_shape
    )


def _as_computed(operation, value):
    if not isinstance(value, keras.KerasTensor):
        return value
    return keras.KerasTensor(value.shape, getattr(operation, "compute_dtype", value.dtype))


def _shown(shapes) -> str:
    return ", ".join(map(str, shapes))
