"""Whether the backend computes in float64 what is asked for in float64.

Keras makes the results of some operations float32 on JAX and PyTorch, whatever the dtype of a
layer says: matrix products, maxima and minima on PyTorch, tanh on JAX; and JAX itself makes every
float64 number float32 unless JAX_ENABLE_X64=1 is set.
"""

import warnings
from collections.abc import Callable

import keras
from keras import ops

# What an error says where the backend does not.
FLOAT64_ADVICE = "TensorFlow does, and JAX with JAX_ENABLE_X64=1; Keras on PyTorch does not"


def keeps_float64(function: Callable) -> bool:
    """Whether a function of one tensor, applied to a float64 matrix, returns float64.

    Example:

    >>> keeps_float64(lambda x: ops.cast(x, "float32"))
    False
    """
    with warnings.catch_warnings():
        # JAX warns of the very truncation that is looked for.
        warnings.simplefilter("ignore")
        result = function(ops.zeros((1, 1), dtype="float64"))
    return keras.backend.standardize_dtype(result.dtype) == "float64"


def tells_float64_apart(function: Callable) -> bool:
    """Whether a function of a float64 matrix tells apart numbers that are equal in float32.

    Some results are computed in float32 and returned as float64.

    Example:

    >>> tells_float64_apart(lambda x: ops.cast(ops.cast(x, "float32"), "float64"))
    False
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        near, far = (
            ops.convert_to_numpy(function(ops.full((1, 1), value, dtype="float64")))
            for value in (1.0, 1.0 + 2.0**-30)
        )
    return bool((near != far).all())


def computes_in_float64() -> bool:
    """Whether the backend keeps float64 numbers, and the matrix products of them."""
    return keeps_float64(lambda x: ops.matmul(x, x))
