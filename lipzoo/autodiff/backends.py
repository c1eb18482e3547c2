"""What gradients need of a backend: the way that it has, compilation, NumPy arrays in and out."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np


def of_backend(ways: Mapping[str, Any]) -> Any:
    """The entry of the backend that Keras runs on.

    Raises:
        NotImplementedError: if the backend has no gradients.
    """
    backend = keras.backend.backend()
    if backend not in ways:
        raise NotImplementedError(
            f"expected a Keras backend with gradients: {', '.join(ways)}; "
            f"Received: backend={backend}"
        )
    return ways[backend]


def on_arrays(function: Callable) -> Callable:
    """A function of tensors as one of NumPy arrays, whatever structure of tensors it returns."""

    def evaluate(*arrays):
        result = function(*map(keras.ops.convert_to_tensor, arrays))
        return keras.tree.map_structure(
            lambda tensor: np.array(keras.ops.convert_to_numpy(tensor)), result
        )

    return evaluate


def compiled_by_jax(function: Callable, variables) -> Callable:
    """Compiles a function whose variables are arguments: as constants they would go stale."""
    import jax

    @jax.jit
    def compiled(values, *inputs):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*inputs)

    return lambda *inputs: compiled([variable.value for variable in variables], *inputs)
