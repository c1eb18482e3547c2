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


def _as_computed(operation, value):
    if not isinstance(value, keras.KerasTensor):
        return value
    return keras.KerasTensor(value.shape, getattr(operation, "compute_dtype", value.dtype))


def _shown(shapes) -> str:
    return ", ".join(map(str, shapes))
