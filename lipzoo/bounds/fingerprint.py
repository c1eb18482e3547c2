"""A cache for bounds that take time, keyed by a hash of everything they depend on."""

import hashlib
import itertools
import json
import threading
import weakref
from collections import OrderedDict

import keras
import numpy as np
from keras import ops

from lipzoo.layer_bound import LayerBound

_CAPACITY = 4096
_PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic)

# Numbers of functions and classes; unlike an `id`, a number is never given twice.
_numbers = weakref.WeakKeyDictionary()
_next_number = itertools.count()


def state_of(layer) -> str | None:
    """A layer's class, configuration, type and attributes as text; not its weights.

    Attributes are read because they can be assigned to after the configuration was read from them,
    or not belong to it: numbers, text, arrays, lists and dicts of those, functions by identity, and
    the attributes of lipzoo's own objects. What other objects hold counts as far as the
    configuration tells it.

    `None` when the layer cannot state its configuration, or holds what cannot be told apart.

    Example:
        >>> layer = keras.layers.Rescaling(0.5)
        >>> before = state_of(layer)
        >>> layer.scale = 2.0
        >>> state_of(layer) == before
        False
    """
    try:
        config = json.dumps(layer.get_config(), sort_keys=True, default=repr)
        dtype = getattr(layer, "compute_dtype", None)
        return repr((_number(type(layer)), config, dtype, _described(vars(layer))))
    except Exception:
        return None


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


def _described(value):
    """Plain values that change when `value` does; `None` for what the configuration describes."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, dict):
        items = ((str(key), _described(item)) for key, item in value.items())
        return sorted((key, item) for key, item in items if item is not None)
    if isinstance(value, list | tuple):
        return [item for item in map(_described, value) if item is not None]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, map(_described, value)))
    if isinstance(value, keras.Variable | keras.KerasTensor):
        return None
    if isinstance(value, np.ndarray) or ops.is_tensor(value):
        array = np.ascontiguousarray(ops.convert_to_numpy(value))
        digest = hashlib.blake2b(array.tobytes(), digest_size=32).hexdigest()
        return array.dtype.name, array.shape, digest
    if any(kind.__module__.split(".")[0] == "lipzoo" for kind in type(value).__mro__):
        return _number(type(value)), _described(vars(value))
    return _number(value) if callable(value) else None


def _number(function) -> int:
    if function not in _numbers:
        _numbers[function] = next(_next_number)
    return _numbers[function]


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
