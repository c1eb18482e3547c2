"""Finds what changes a layer's map below the class that states its bound, or on the object itself.

Nobody can list all methods that a map is made of. So it is the other way round: what is known to
leave the map alone may be defined, and everything else counts as a change.
"""

import functools

import keras

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.origins import defined_in
from lipzoo.keras_internals import DTYPE_POLICIES

# What Python itself writes into a class, its constructor and its configuration.
HARMLESS_ANYWHERE = frozenset(
    {
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__init__",
        "__module__",
        "__orig_bases__",
        "__parameters__",
        "__qualname__",
        "__repr__",
        "__static_attributes__",
        "__str__",
        "__type_params__",
        "__weakref__",
        "_abc_impl",
        "from_config",
        "get_config",
    }
)

# Creation, storage, shapes, and statements about the map. Attributes that a constructor sets are
# read when the bound is derived, shapes are traced, and masks are refused where a layer takes one.
HARMLESS_IN_LAYERS = HARMLESS_ANYWHERE | {
    "bound_from",
    "build",
    "build_from_config",
    "compute_mask",
    "compute_output_shape",
    "compute_output_spec",
    "get_build_config",
    "linear_weights",
    "lipschitz_bound",
    "load_own_variables",
    "quantize",
    "save_own_variables",
}

# What may stand on a layer itself: statements, and what Keras wraps when it makes a layer.
_HARMLESS_ON_LAYERS = frozenset(
    {"bound_from", "build", "get_config", "linear_weights", "lipschitz_bound", "loss", "quantize"}
)

_BASES_OF_LAYERS = frozenset(keras.layers.Layer.__mro__)


def replaced_members(instance, harmless=_HARMLESS_ON_LAYERS) -> list[str]:
    """Names of methods of its class that the object itself, not its class, replaces.

    Example:
        >>> layer = keras.layers.ReLU()
        >>> layer.call = lambda x: 7 * x
        >>> replaced_members(layer)
        ['call']
    """
    names = vars(instance).keys() & _methods(type(instance))
    return [name for name in vars(instance) if name in names and name not in harmless]


@functools.lru_cache(maxsize=1024)
def _methods(kind: type) -> frozenset[str]:
    return frozenset(name for name in dir(kind) if callable(getattr(kind, name, None)))


def overrides(
    instance, statement: str, harmless=HARMLESS_IN_LAYERS
) -> tuple[type, list[str]] | None:
    """The class that may change an object's map although `statement`, about the map, is inherited.

    A class that defines `statement` itself vouches for itself and for what it inherits. lipzoo's
    own classes are written with one another in mind: their bases state the bound in terms of what
    subclasses provide. Any other class, below them or mixed in, may only define what is harmless.

    Returns:
        The class and the names that it defines beside harmless ones; `None` when there is none.

    Example:
        >>> import lipzoo
        >>> class Loud(lipzoo.layers.Lift):
        ...     def call(self, inputs):
        ...         return 7 * super().call(inputs)
        >>> overrides(Loud(3), "lipschitz_bound")[1]
        ['call']
    """
    stated = False
    for kind in type(instance).__mro__:
        if kind in _BASES_OF_LAYERS or defined_in(kind, "lipzoo"):
            stated = stated or statement in vars(kind)
            continue
        if not stated and statement in vars(kind):
            return None
        names = [name for name in vars(kind) if name not in harmless]
        if names:
            return kind, names
    return None


def refuse_overridden(layer, statement: str) -> None:
    """Refuses a layer whose class may change what it computes but inherits `statement`.

    Raises:
        UncertifiedLayerError: see there.
    """
    found = overrides(layer, statement)
    if found is not None:
        kind, names = found
        raise UncertifiedLayerError(
            layer,
            f"{kind.__name__} changes what the layer computes, or may do so, by defining "
            f"{', '.join(names)}, but inherits `{statement}`, which need not hold for it: override "
            f"`{statement}` too, or register a rule.",
        )


def refuse_replaced(layer) -> None:
    """Refuses a layer or operation with methods, or a dtype policy, of its own making.

    Raises:
        UncertifiedLayerError: see there.
    """
    names = replaced_members(layer)
    if names:
        raise UncertifiedLayerError(
            layer,
            f"Its {', '.join(f'`{name}`' for name in names)} was replaced, so nothing is known "
            "about what it computes.",
        )
    policy = getattr(layer, "_dtype_policy", None)
    if policy is not None and (
        not defined_in(type(policy), DTYPE_POLICIES) or replaced_members(policy)
    ):
        raise UncertifiedLayerError(
            layer,
            "Expected a dtype policy of Keras, so that it is known how inputs are cast. "
            f"Received: {policy!r}",
        )
