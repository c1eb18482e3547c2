"""Describes an object so completely that whatever computes with it is the same while the text is.

Bounds are remembered and compiled functions are kept under such descriptions. What an object is
made of is followed as far as Keras' and lipzoo's own classes go; anything else, which may compute
with what cannot be seen, has no description, and nothing is remembered of it.
"""

import hashlib
import sys
import types
import weakref

import keras
import numpy as np
from keras import ops

from lipzoo.keras_internals import BOOKKEEPING

_PLAIN = (type(None), bool, int, float, complex, str, bytes, np.dtype, type(Ellipsis))
_PACKAGES = ("keras", "lipzoo")

# What no output depends on: Keras' bookkeeping, and what lipzoo remembers of a model.
_BOOKKEEPING = BOOKKEEPING | {
    "_lipzoo_margin_gradient",
    "_lipzoo_prediction",
    "_lipzoo_reference",
    "lipzoo_config",
    "lipzoo_preprocessing",
    "lipzoo_weights_digest",
}
# What makes weights and penalises them takes no part in what is computed from them.
_INERT = (keras.initializers.Initializer, keras.regularizers.Regularizer)


class Undescribed(Exception):
    """An object whose behaviour may depend on what cannot be seen."""


class _Identities:
    """Numbers of objects; unlike an `id`, a number is never given twice."""

    def __init__(self):
        self._known, self._next = {}, 0

    def number(self, value) -> int:
        key = id(value)
        reference, number = self._known.get(key, (lambda: None, 0))
        if reference() is not value:
            self._next, number = self._next + 1, self._next
            try:
                reference = weakref.ref(value, lambda gone: self._forget(key, gone))
            except TypeError:
                raise Undescribed(repr(type(value))) from None
            self._known[key] = (reference, number)
        return number

    def _forget(self, key, gone):
        if self._known.get(key, (None,))[0] is gone:
            del self._known[key]


_identities = _Identities()


def described(value, variables=None) -> bytes | None:
    """A digest of everything that computing with an object can depend on; `None` if it has none.

    Numbers, text and containers count by value, arrays and tensors by their content, functions and
    classes by identity, objects of Keras' and lipzoo's classes by all their attributes. Weights
    count as the objects that they are, so that their values may change.

    Args:
        value: a layer, an operation, a model, or anything that they hold.
        variables: the `keras.Variable`s whose values need not be looked at, as a dict from the `id`
            of each to what tells it from the others. Values of others are part of the description.

    Example:
        >>> layer = keras.layers.Rescaling(0.5)
        >>> before = described(layer)
        >>> layer.scale = 2.0
        >>> described(layer) == before
        False
        >>> described(keras.layers.Lambda(lambda x: x)) is None
        True
    """
    writer = _Writer(variables or {})
    try:
        writer.write(value)
    except Exception:
        # Whatever an object raises while it is looked at: it was not seen whole.
        return None
    return hashlib.blake2b("\n".join(writer.parts).encode(), digest_size=32).digest()


class _Writer:
    def __init__(self, variables):
        self.variables, self.parts, self.seen = variables, [], {}

    def write(self, value):
        kind = type(value)
        if kind in _PLAIN:
            self.parts.append(f"{kind.__name__} {value!r}")
            return
        if isinstance(value, _INERT):
            self.parts.append("inert")
            return
        if id(value) in self.seen:
            self.parts.append(f"again {self.seen[id(value)][0]}")
            return
        # The object is kept, so that its id is given to no other in the meantime.
        self.seen[id(value)] = (len(self.seen), value)
        self._write_new(value, kind)

    def _write_new(self, value, kind):
        if isinstance(value, dict):
            self._begin("dict", len(value))
            for key, item in value.items():
                self.write(key)
                self.write(item)
        elif isinstance(value, list | tuple):
            self._begin("sequence", len(value))
            for item in value:
                self.write(item)
        elif isinstance(value, set | frozenset):
            if not all(type(item) in _PLAIN for item in value):
                raise Undescribed("a set of objects")
            self._begin("set", len(value), *sorted(map(repr, value)))
        elif isinstance(value, slice):
            self._begin("slice", 3)
            for item in (value.start, value.stop, value.step):
                self.write(item)
        elif isinstance(value, keras.Variable):
            self._write_variable(value)
        elif isinstance(value, keras.KerasTensor):
            self._begin("symbol", _identities.number(value), value.dtype, tuple(value.shape))
        elif kind.__module__.partition(".")[0] in _PACKAGES:
            self._write_object(value, kind)
        elif isinstance(value, np.ndarray | np.generic) or ops.is_tensor(value):
            self._write_array(value)
        elif isinstance(value, type):
            self._write_class(value)
        elif isinstance(value, types.FunctionType):
            self._write_function(value)
        elif isinstance(value, types.MethodType):
            self._begin("method", 2)
            self.write(value.__func__)
            self.write(value.__self__)
        else:
            raise Undescribed(repr(kind))

    def _begin(self, *words):
        self.parts.append(" ".join(map(str, words)))

    def _write_array(self, value):
        array = np.asarray(value) if isinstance(value, np.generic) else value
        if not isinstance(array, np.ndarray):
            array = ops.convert_to_numpy(array)
        if array.dtype.kind not in "biufcV":
            raise Undescribed(f"an array of {array.dtype}")
        data = np.ascontiguousarray(array).tobytes()
        digest = hashlib.blake2b(data, digest_size=32).hexdigest()
        self._begin("array", array.dtype.name, array.shape, digest)

    def _write_variable(self, value):
        self._begin("weight", value.dtype, tuple(value.shape), getattr(value, "_autocast", None))
        if id(value) in self.variables:
            self._begin(self.variables[id(value)])
            return
        self._begin(_identities.number(value))
        self._write_array(value.value)

    def _write_class(self, value):
        found = sys.modules.get(value.__module__)
        if value.__module__.split(".")[0] not in _PACKAGES:
            raise Undescribed(repr(value))
        # The name alone could be anyone's.
        for name in value.__qualname__.split("."):
            found = getattr(found, name, None)
        if found is not value:
            raise Undescribed(repr(value))
        self._begin("class", _identities.number(value))

    def _write_function(self, value):
        module = value.__globals__.get("__name__", "")
        is_known = module.split(".")[0] in _PACKAGES
        if not is_known or vars(sys.modules.get(module, types)) is not value.__globals__:
            raise Undescribed(repr(value))
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        self._begin("function", _identities.number(value), len(cells))
        for item in (*cells, value.__defaults__, value.__kwdefaults__):
            self.write(item)

    def _write_object(self, value, kind):
        self._write_class(kind)
        attributes = dict(getattr(value, "__dict__", {}))
        for base in kind.__mro__:
            slots = base.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                    attributes[name] = getattr(value, name)
        for name in sorted(attributes):
            # TensorFlow keeps its records of checkpoints under this prefix.
            if name not in _BOOKKEEPING and not name.startswith("_self_"):
                self.parts.append(name)
                self.write(attributes[name])
        self.parts.append("end")


def weights_by_identity(model) -> dict[int, str]:
    """The variables of a model for `described`, each told from all other variables there are.

    A compiled function reads their values when it runs, from where they were when it was compiled:
    on TensorFlow this is a variable of its own inside Keras' variable.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return {
        id(variable): " ".join(
            str(_identities.number(part))
            for part in ((variable, variable._value) if on_tensorflow else (variable,))
        )
        for variable in model.variables
    }
