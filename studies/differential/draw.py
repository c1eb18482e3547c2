"""Random choices that are the same for a model and for its twin in float64."""

import collections

import keras
import numpy as np

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64")


class Draw:
    """The choices of one seed, and a count of the features that they led to.

    Args:
        seed: a tuple of integers.
        wide: whether every floating point type is to be float64; the choices stay the same.
        products: whether tensors are often multiplied, which has a bound on a box alone.
    """

    def __init__(self, seed, wide=False, products=False):
        self.random = np.random.default_rng(seed)
        self.wide = wide
        self.products = products
        self.features = collections.Counter()
        self.constants = []
        self.pure = self.maybe(0.65)
        self.subclass_at = self.integer(0, 8) if self.maybe(0.07) else -1
        self._layers = 0

    def maybe(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.random.random() < probability)

    def pick(self, *options):
        """One of the options."""
        return options[int(self.random.integers(len(options)))]

    def integer(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return int(self.random.integers(low, high + 1))

    def note(self, feature: str) -> None:
        """Counts a feature."""
        self.features[feature] += 1

    def float_type(self, dtype: str) -> str:
        """A floating point type, or float64 in the twin."""
        return "float64" if self.wide and keras.backend.is_float_dtype(dtype) else dtype

    def policy(self) -> str:
        """The dtype policy of a layer."""
        policy = "float32" if self.pure or self.maybe(0.5) else self.pick(*POLICIES)
        if policy != "float32":
            self.note(f"policy {policy}")
        return "float64" if self.wide else policy

    def values(self, shape) -> np.ndarray:
        """Weights or constants of several kinds, as float64."""
        kind = self.integer(0, 6)
        fan = max(1, int(np.prod(shape[:-1])) if len(shape) > 1 else 1)
        array = self.random.standard_normal(shape) / np.sqrt(fan)
        if kind == 0:
            array = np.sign(np.round(2 * array))
        elif kind == 1 and len(shape) > 1:
            array = np.broadcast_to(np.eye(*shape[-2:]), shape) * self.pick(0.5, 1.0, 2.0)
        elif kind == 2:
            array = array * self.pick(1e-3, 30.0)
        elif kind == 3 and shape:
            array = np.repeat(array[..., :1], shape[-1], axis=-1)
        return np.array(array)

    def layer(self, kind, *arguments, **settings):
        """A layer of a class, or rarely of a subclass that computes something else."""
        self.note(f"layer {kind.__name__}")
        self._layers += 1
        settings.setdefault("dtype", self.policy())
        if self._layers - 1 == self.subclass_at:
            kind = loud_subclass(self, kind)
        return kind(*arguments, **settings)


def loud_subclass(draw, kind):
    """A subclass that multiplies by 7 what one of the inherited methods returns."""
    name = draw.pick(*methods_of(kind))
    draw.note(f"subclass overrides {name}")
    draw.note("subclassed layer")
    original = getattr(kind, name)

    def replaced(self, *arguments, **settings):
        return louder(original(self, *arguments, **settings))

    return type(f"Loud{kind.__name__}", (kind,), {name: replaced, "__module__": "my_project"})


def methods_of(kind) -> list[str]:
    """Names of what a class computes with: methods between it and Keras' base class."""
    found = set()
    for base in kind.__mro__:
        if base in (keras.layers.Layer, keras.Operation, object):
            break
        found.update(
            name
            for name, value in vars(base).items()
            if callable(value) and not name.startswith("__") and name not in _HARMLESS
        )
    return sorted(found | {"call"})


_HARMLESS = ("build", "from_config", "get_config", "get_build_config", "build_from_config")


def louder(value, factor=7.0):
    """A result times 7, whatever its structure; shapes and names stay as they are."""

    def scaled(item):
        is_tensor = keras.ops.is_tensor(item) or isinstance(item, keras.KerasTensor | np.ndarray)
        if is_tensor and not keras.backend.is_float_dtype(
            keras.backend.standardize_dtype(item.dtype)
        ):
            return item
        return item * factor if is_tensor or type(item) is float else item

    return keras.tree.map_structure(scaled, value)
