"""Finds classes that change what a layer computes below the class that states its bound."""

# What `call` of lipzoo's own layers is made of.
_PARTS = ("_step", "_on_image", "_after", "iterate")
_COMPUTES = ("__call__", "call", "_forward", "_adjoint", "_operator", "_operator_facts", *_PARTS)


def replaces_call(layer) -> bool:
    """Whether the object itself, not its class, has another `call` or a part of it.

    Example:
        >>> import keras
        >>> layer = keras.layers.ReLU()
        >>> layer.call = lambda x: 7 * x
        >>> replaces_call(layer)
        True
    """
    return any(name in vars(layer) for name in ("call", *_PARTS))


def overriding_class(layer, method: str) -> type | None:
    """The class that redefines the layer's map but inherits `method`, a statement about that map.

    `None` when there is none. lipzoo's own classes are written with one another in mind and do not
    count: their bases state the bound in terms of what subclasses provide.

    Example:
        >>> import lipzoo
        >>> class Loud(lipzoo.layers.Lift):
        ...     __module__ = "my_project"
        ...     def call(self, inputs):
        ...         return 7 * super().call(inputs)
        >>> overriding_class(Loud(3), "lipschitz_bound").__name__
        'Loud'
    """
    for kind in type(layer).__mro__:
        if method in vars(kind):
            return None
        is_own = kind.__module__.split(".")[0] == "lipzoo"
        if not is_own and any(name in vars(kind) for name in _COMPUTES):
            return kind
    return None
