"""What stands in the place of a call: kept, dropped, or rescaled."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.constraining.graph import Call
from lipzoo.constraining.names import Names
from lipzoo.keras_internals import numpy_operations
from lipzoo.rounding import mul_up, sqrt_up

# Averages are norms below 1, which throw radius away.
AVERAGES = (
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.AdaptiveAveragePooling1D,
    keras.layers.AdaptiveAveragePooling2D,
    numpy_operations.Mean,
)


@dataclass
class Made:
    """What a replacement has made of a call.

    Attributes:
        outputs: tensors of the new model.
        gain: c, where the outputs are about c times what the original computes.
        layers: names of the layers that it added.
        change: what changed, for the table; empty for nothing.
    """

    outputs: list
    gain: float
    layers: list[str]
    change: str = ""


class Replacement:
    """Base of what stands in the place of a layer or operation, for all calls of it."""

    def apply(self, call: Call, bound: LayerBound, tensors, gains, names: Names) -> Made:
        """Calls it on tensors of the new model.

        Args:
            call: the original's call.
            bound: of the original, as a map of all its inputs together.
            tensors, gains: the new inputs, and their gains, see `Made`.
            names: of the new model's layers.
        """
        raise NotImplementedError


class Dropped(Replacement):
    """Nothing in its place: what it was given goes on."""

    def __init__(self, change: str):
        self._change = change

    def apply(self, call, bound, tensors, gains, names):
        return Made(list(tensors[:1]), gains[0], [], self._change)


class Kept(Replacement):
    """A copy; behind it, where its norm is above 1 or that of an average, a factor.

    Args:
        operation: the original.
        name: of the copy.
        shared_inputs: of several tensors, whether they depend on the same input of the model, so
            that the squares of their bounds add up.
    """

    def __init__(self, operation, name: str, shared_inputs=False):
        self._original = operation
        self._shared_inputs = shared_inputs
        self._copy = copied(operation, name=name)
        self._has_weights = not getattr(operation, "weights", ())

    def apply(self, call, bound, tensors, gains, names):
        made = Made(_called(self._copy, call, tensors), sum(gains) / len(gains), [self._copy.name])
        if not self._has_weights:
            self._copy.set_weights(self._original.get_weights())
            if isinstance(self._original, keras.layers.Normalization):
                self._copy.finalize_state()
            self._has_weights = True
        norm = sqrt_up(float(len(tensors))) if self._shared_inputs else bound.value
        if norm > 1.0 or (isinstance(self._original, AVERAGES) and 0.0 < norm < 1.0):
            policy = getattr(self._copy, "dtype_policy", None)
            rescale(made, factor_to(1.0, norm), names.take(f"{self._copy.name}_scale"), policy)
        return made


def _called(operation, call, tensors) -> list:
    """Calls a copy with the arguments of the original's call."""
    new = dict(zip(map(id, call.node.input_tensors), tensors, strict=True))
    args, kwargs = call.node.arguments.convert(
        lambda value: new[id(value)] if isinstance(value, keras.KerasTensor) else value
    )
    return keras.tree.flatten(operation(*args, **kwargs))


def copied(operation, **changes) -> Any:
    """A new layer or operation of an original's configuration, with some of it changed.

    Raises:
        UncertifiedLayerError: if there is no such configuration.
    """
    try:
        return type(operation).from_config({**operation.get_config(), **changes})
    except (NotImplementedError, TypeError) as error:
        raise UncertifiedLayerError(
            operation, f"It cannot be made anew from its configuration ({type(error).__name__})."
        ) from error


def factor_to(target: float, norm: float) -> float:
    """The largest float32 that brings a norm to at most `target`, products rounded upwards.

    Example:
        >>> factor_to(1.0, 2.0), mul_up(factor_to(1.0, 3.0), 3.0) <= 1.0
        (0.5, True)
    """
    factor = np.float32(target / norm)
    while mul_up(norm, float(factor)) > target:
        factor = np.nextafter(factor, np.float32(0.0))
    return float(factor)


def rescale(made: Made, factor: float, name: str, policy=None) -> None:
    """Multiplies what was made by a factor, by a layer of a name and a dtype policy of its own."""
    layer = keras.layers.Rescaling(factor, name=name, dtype=policy or made.outputs[0].dtype)
    made.outputs = [layer(tensor) for tensor in made.outputs]
    made.gain *= factor
    made.layers.append(layer.name)
    said = f"times {factor:.4g}"
    made.change = f"{made.change}, {said}" if made.change else said
