"""What the layers of a model compute and how they are connected, and their weights, as hashes."""

import hashlib
import types
from typing import Any

import keras
import numpy as np

from lipzoo.bounds.keras_graph import as_function
from lipzoo.keras_internals import nodes_of

# What no output depends on. The type that a layer computes in is looked at apart.
_IGNORED = {"name", "dtype", "dtype_policy", "trainable", "built"}


def architecture_digest(model: keras.Model) -> str:
    """SHA-256 of the layers of a model, their configurations and connections, without their names.

    It does not depend on weights, and is the same for the same model in another process.

    Example:
        >>> def model(slope):
        ...     x = keras.Input((2,))
        ...     return keras.Model(x, keras.layers.LeakyReLU(slope)(keras.layers.Dense(2)(x)))
        >>> digests = [architecture_digest(model(slope)) for slope in (0.1, 0.1, 0.2)]
        >>> digests[0] == digests[1], digests[0] == digests[2]
        (True, False)
    """
    return hashlib.sha256(repr(_operation(model)).encode()).hexdigest()


def weights_digest(model: keras.Model) -> str:
    """SHA-256 of the values of the weights, in the model's order, the same in every float type."""
    digest = hashlib.sha256()
    for weight in model.weights:
        value = np.asarray(keras.ops.convert_to_numpy(weight.value), "float64")
        digest.update(f"{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _operation(operation) -> tuple:
    function = as_function(operation)
    if function is not None:
        return _graph(function)
    try:
        configuration = operation.get_config()
    except Exception:
        # Not all of Keras' operations state one.
        configuration = {}
    attributes = {k: v for k, v in vars(operation).items() if not k.startswith("_")}
    dtype = getattr(operation, "compute_dtype", None)
    return _kind(operation), dtype, _plain(configuration), _plain(attributes)


def _graph(function) -> tuple:
    numbers = {id(tensor): i for i, tensor in enumerate(function.inputs)}
    rows = []
    for node in nodes_of(function):
        given = [numbers[id(tensor)] for tensor in node.input_tensors]
        arguments = _plain(node.arguments.args), _plain(node.arguments.kwargs)
        rows.append((_operation(node.operation), given, *arguments))
        for tensor in node.outputs:
            numbers[id(tensor)] = len(numbers)
    shapes = [tuple(tensor.shape) for tensor in function.inputs]
    return shapes, rows, [numbers[id(tensor)] for tensor in function.outputs]


def _plain(value: Any) -> Any:
    """Numbers, text, arrays and functions, in containers; of other objects their class."""
    if isinstance(value, type(None) | bool | int | float | complex | str | bytes):
        return value
    if isinstance(value, dict):
        items = ((str(key), item) for key, item in value.items() if key not in _IGNORED)
        return sorted(((key, _plain(item)) for key, item in items), key=lambda pair: pair[0])
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, keras.Variable | keras.KerasTensor):
        return _kind(value)
    if isinstance(value, np.ndarray | np.generic) or keras.ops.is_tensor(value):
        array = np.asarray(keras.ops.convert_to_numpy(value))
        return array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest()
    if isinstance(value, types.FunctionType):
        return value.__module__, value.__qualname__
    return _kind(value)


def _kind(value) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
