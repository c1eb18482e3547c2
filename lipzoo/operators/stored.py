"""Constants that products need, as tensors: one for each type, however many products take it."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops


class StoredTensor:
    """A constant of the backend, made once for each type and device.

    A graph that is traced holds such a tensor by reference: ten layers of one operator share it,
    where ten conversions of an array would be ten constants of the graph.

    Args:
        make: `dtype ↦ array`, the NumPy array of the constant; called again for each type.

    Example:

    >>> stored = StoredTensor(lambda dtype: np.ones(3, dtype))
    >>> stored.of("float32") is stored.of("float32")
    True
    """

    def __init__(self, make: Callable[[str], np.ndarray]):
        self._make, self._tensors = make, {}

    def of(self, dtype: str, like=None):
        """The tensor of a type, on PyTorch on the device of the tensor `like`."""
        # Keras' symbolic tensors have a device of their own there.
        device = getattr(like, "device", None) if keras.backend.backend() == "torch" else None
        key = dtype, str(device)
        if key not in self._tensors:
            self._tensors[key] = _constant(self._make(dtype), dtype, device)
        return self._tensors[key]

    def __getstate__(self):
        return {"_make": self._make, "_tensors": {}}


def _constant(array, dtype, device):
    """A tensor that outlives the graph that is being traced."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.init_scope():
            return tf.constant(array, dtype=dtype)
    if backend == "jax":
        import jax

        with jax.ensure_compile_time_eval():
            return jax.numpy.asarray(array, dtype=dtype)
    # PyTorch does not take arrays that are read-only.
    tensor = ops.convert_to_tensor(np.array(array), dtype=dtype)
    return tensor if device is None else tensor.to(device)
