"""The arguments of a recorded call: every one that a bound does not know about is refused."""

import functools
import inspect

import keras
from keras import tree

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.keras_internals import carries_mask

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def bound_arguments(node) -> dict:
    """Names and values of the arguments of a recorded call, bound to the signature of `call`.

    Raises:
        UncertifiedLayerError: if the arguments do not fit it.
    """
    operation = node.operation
    signature = _signature(type(operation).call)
    keywords = dict(node.arguments.kwargs)
    if "training" not in signature.parameters and not _takes_keywords(signature):
        # Keras drops it as well.
        keywords.pop("training", None)
    try:
        values = signature.bind(operation, *node.arguments.args, **keywords).arguments
    except TypeError as error:
        raise UncertifiedLayerError(
            operation, f"Its arguments are not understood: {error}."
        ) from error
    arguments = {}
    for name, value in list(values.items())[1:]:
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            arguments.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            arguments.update({f"{name}[{i}]": item for i, item in enumerate(value)})
        else:
            arguments[name] = value
    return arguments


def refuse_unknown_arguments(node, known=(), masks_are_known=False) -> None:
    """Refuses a recorded call whose arguments are more than tensors of the graph and defaults.

    Args:
        node: the call.
        known: names of arguments that the bound holds for, whatever their value.
        masks_are_known: whether the bound holds for every mask.

    Raises:
        UncertifiedLayerError: if it is called in training mode, with a mask, with constants among
            its tensors, or with any argument, other than its default, that is not known.
    """
    operation = node.operation
    defaults = _defaults(type(operation).call)
    if not masks_are_known and _receives_mask(node, defaults):
        raise UncertifiedLayerError(operation, "It is called with a mask.")
    for name, value in bound_arguments(node).items():
        default = defaults.get(name, inspect.Parameter.empty)
        if name in known or _is_default(value, default):
            continue
        if name == "training":
            # Prediction calls every layer with training=False, whatever Keras recorded.
            if value is not None and not _is_default(value, False):
                raise UncertifiedLayerError(operation, "The model calls it with training=True.")
        elif _is_mask(name):
            if not masks_are_known and any(leaf is not None for leaf in tree.flatten(value)):
                raise UncertifiedLayerError(operation, "It is called with a mask.")
        elif not _is_of_tensors(value):
            tensors = any(isinstance(leaf, keras.KerasTensor) for leaf in tree.flatten(value))
            raise UncertifiedLayerError(
                operation,
                f"It is called with {_shown(value)} among its tensors, of which its rule knows "
                "nothing: add a constant with an operation, `x + constant`."
                if tensors
                else f"It is called with {name}={_shown(value)}, of which its rule knows nothing: "
                "make it an attribute of the layer.",
            )


def refuse_list(node) -> None:
    """Refuses a call of a layer for one tensor on a list, which Keras would stack to one.

    Raises:
        UncertifiedLayerError: see there.
    """
    first = next(iter(bound_arguments(node).values()), None)
    if not isinstance(first, keras.KerasTensor):
        raise UncertifiedLayerError(node.operation, "It is called on a list; it takes one tensor.")


def _receives_mask(node, defaults) -> bool:
    """Whether Keras may hand a mask to the call that comes along with a tensor."""
    if not any(map(carries_mask, node.input_tensors)):
        return False
    # Merging layers look for masks without asking for them.
    merges = isinstance(node.operation, keras.layers.Layer) and not _is_single(node)
    return merges or any(map(_is_mask, defaults))


def _is_single(node) -> bool:
    return len(node.arguments.args) == 1 and isinstance(node.arguments.args[0], keras.KerasTensor)


def _is_mask(name) -> bool:
    return name == "mask" or name.endswith("_mask")


def _is_of_tensors(value) -> bool:
    leaves = tree.flatten(value)
    return bool(leaves) and all(isinstance(leaf, keras.KerasTensor) for leaf in leaves)


def _is_default(value, default) -> bool:
    if value is default:
        return True
    return (
        type(value) is type(default)
        and isinstance(value, bool | int | float | str | tuple)
        and (value == default)
    )


def _shown(value) -> str:
    leaves = [leaf for leaf in tree.flatten(value) if not isinstance(leaf, keras.KerasTensor)]
    text = repr(leaves[0] if len(leaves) == 1 else leaves)
    return text if len(text) <= 60 else f"{text[:57]}..."


@functools.lru_cache(maxsize=1024)
def _signature(function) -> inspect.Signature:
    return inspect.signature(function)


def _takes_keywords(signature) -> bool:
    return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())


@functools.lru_cache(maxsize=1024)
def _defaults(function) -> dict:
    parameters = list(_signature(function).parameters.values())[1:]
    return {p.name: p.default for p in parameters if p.kind not in _VARIADIC}
