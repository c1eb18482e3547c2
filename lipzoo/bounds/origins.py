"""Where a class comes from: from Keras, from lipzoo or from elsewhere."""

import sys

import keras

from lipzoo.keras_internals import OPERATIONS


def defined_in(kind: type, package: str) -> bool:
    """Whether a class is the one that a module of the package holds under the class's name.

    What a class says of its module proves nothing: it has to be found there.

    Example:
        >>> defined_in(keras.layers.Dense, "keras")
        True
        >>> class Dense(keras.layers.Dense):
        ...     __module__ = keras.layers.Dense.__module__
        >>> defined_in(Dense, "keras")
        False
    """
    name = kind.__module__
    if name != package and not name.startswith(f"{package}."):
        return False
    module = sys.modules.get(name)
    return module is not None and vars(module).get(kind.__qualname__) is kind


def is_operation(operation) -> bool:
    """Whether this is one of Keras' own operations, and not a layer.

    Example:
        >>> is_operation(keras.layers.ReLU())
        False
    """
    return not isinstance(operation, keras.layers.Layer) and defined_in(type(operation), OPERATIONS)
