"""Layers with other weights than kernels: factors, slopes, and lipzoo's own."""

import keras
import numpy as np

from lipzoo.constraining.kernels import ChannelAffine
from lipzoo.constraining.replacement import Made, Replacement, copied
from lipzoo.constraints import MaxModulus, project
from lipzoo.layers import (
    ChannelScale,
    ConvexSum,
    GradientFlowConv1D,
    GradientFlowConv2D,
    GradientFlowDense,
)

KEEP_THEIR_BOUND = frozenset(
    {ChannelScale, ConvexSum, GradientFlowConv1D, GradientFlowConv2D, GradientFlowDense}
)
"""Classes of layers that training leaves 1-Lipschitz as they are."""


class ScaledChannels(Replacement):
    """`ChannelScale` for batch normalisation that no kernel stands before.

    Factors above 1 are clipped, or all of them divided by the largest (`method="scale"`).
    """

    def __init__(self, layer, name, method):
        self._affine = ChannelAffine.of(layer)
        self._divides = method == "scale"
        self._copy = ChannelScale(layer.axis, name=name, dtype=layer.dtype_policy)
        self._ratio = None

    def apply(self, call, bound, tensors, gains, names):
        outputs = [self._copy(tensors[0])]
        if self._ratio is None:
            self._ratio = self._set_weights(gains[0])
        return Made(outputs, gains[0] * self._ratio, [self._copy.name], "ChannelScale")

    def _set_weights(self, gain) -> float:
        scale = self._affine.scale
        largest = max(1.0, float(np.abs(scale).max()))
        new = scale / largest if self._divides else np.clip(scale, -1.0, 1.0)
        length = float(np.linalg.norm(scale))
        ratio = float(np.linalg.norm(new)) / length if length else 1.0
        self._copy.set_weights([new, self._affine.shift * gain * ratio])
        return ratio


class BoundedSlopes(Replacement):
    """PReLU with slopes in [-1, 1]."""

    def __init__(self, layer, name):
        self._original = layer
        self._copy = copied(layer, name=name)
        self._copy.alpha_constraint = MaxModulus(1.0)
        self._loaded = False

    def apply(self, call, bound, tensors, gains, names):
        outputs = [self._copy(tensors[0])]
        if not self._loaded:
            self._copy.set_weights(self._original.get_weights())
            project(self._copy)
            self._loaded = True
        return Made(outputs, gains[0], [self._copy.name], "slopes constrained")


class KeptWithWeights(Replacement):
    """A copy of a layer of lipzoo that is 1-Lipschitz by its own constraint."""

    def __init__(self, layer, name):
        self._original = layer
        self._copy = copied(layer, name=name)
        self._loaded = False

    def apply(self, call, bound, tensors, gains, names):
        outputs = [self._copy(list(tensors) if len(tensors) > 1 else tensors[0])]
        if not self._loaded:
            self._copy.set_weights(self._original.get_weights())
            self._loaded = True
        return Made(outputs, sum(gains) / len(gains), [self._copy.name])


class Mixed(Replacement):
    """`ConvexSum` for a sum `Σ c_i x_i` of branches.

    Its weights are at first `|c_i|` divided by the gain of the branch, up to a common factor, so
    that the branches enter in the proportion in which the original adds them.

    Args:
        operation: the original.
        name: of the new layer.
        coefficients: the numbers c_i.
    """

    def __init__(self, operation, name, coefficients):
        self._coefficients = coefficients
        self._policy = getattr(operation, "dtype_policy", None)
        self._copy = ConvexSum(name=name, dtype=self._policy)

    def apply(self, call, bound, tensors, gains, names):
        made = Made([], 1.0, [self._copy.name], "ConvexSum")
        branches = []
        for tensor, coefficient in zip(tensors, self._coefficients, strict=True):
            if coefficient < 0:
                minus = keras.layers.Rescaling(
                    -1.0, name=names.take(f"{self._copy.name}_minus"), dtype=self._policy
                )
                tensor = minus(tensor)
                made.layers.append(minus.name)
            branches.append(tensor)
        made.outputs = [self._copy(branches)]
        shares = np.abs(self._coefficients) / np.array(gains)
        self._copy.roots.assign(np.sqrt(shares / shares.sum()))
        made.gain = 1.0 / float(shares.sum())
        return made


def coefficients(operation, merged: str, count: int) -> list[float] | None:
    """The numbers c_i of a merge that is a sum `Σ c_i x_i`; None for any other."""
    return {
        "add": [1.0] * count,
        "subtract": [1.0, -1.0],
        "average": [1.0 / count] * count,
        "add scaled": [1.0, float(getattr(operation, "scale", 0.0))],
    }.get(merged)
