"""A cache for bounds that take time, keyed by a hash of everything they depend on."""

import hashlib
import threading
from collections import OrderedDict

import numpy as np
from keras import ops

from lipzoo.bounds.description import described
from lipzoo.bounds.layer_bound import LayerBound

_CAPACITY = 4096


def state_of(layer) -> bytes | None:
    """Digest of a layer's class and attributes, types included; not of its weights' values.

    `None` when it holds what cannot be described, see `described`.

    Example:
        >>> import keras
        >>> layer = keras.layers.Rescaling(0.5)
        >>> before = state_of(layer)
        >>> layer.scale = 2.0
        >>> state_of(layer) == before
        False
    """
    weights = getattr(layer, "weights", ())
    return described(layer, {id(variable): f"number {i}" for i, variable in enumerate(weights)})


def fingerprint(layer, input_shape) -> bytes | None:
    """Hash of a layer's class, configuration, attributes, types, weights and input shape.

    `None` where `state_of` is, so that nothing is cached.
    """
    state = state_of(layer)
    if state is None:
        return None
    digest = hashlib.blake2b(digest_size=32)
    digest.update(repr((state, input_shape)).encode())
    for variable in layer.weights:
        array = np.ascontiguousarray(ops.convert_to_numpy(variable))
        digest.update(repr((variable.path, array.dtype.name, array.shape)).encode())
        digest.update(array.view("uint8").data if array.ndim else array.tobytes())
    return digest.digest()


class BoundCache:
    """Least recently used `LayerBound`s by fingerprint, at most `capacity` of them.

    Example:
        >>> cache = BoundCache(capacity=1)
        >>> cache.put(b"a", LayerBound.exact(1.0, "identity"))
        >>> cache.put(b"b", LayerBound.exact(2.0, "twice"))
        >>> cache.get(b"a") is None, cache.get(b"b").value
        (True, 2.0)
    """

    def __init__(self, capacity: int = _CAPACITY):
        self._capacity = capacity
        self._entries: OrderedDict[bytes, LayerBound] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> LayerBound | None:
        """The bound stored under `key`, or `None`."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: bytes, bound: LayerBound) -> None:
        """Stores a bound, and forgets the one that was used longest ago when there are too many."""
        with self._lock:
            self._entries[key] = bound
            self._entries.move_to_end(key)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._entries.clear()
