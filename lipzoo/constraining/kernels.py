"""Layers with kernels: projected, constrained, batch normalisation folded in."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lipzoo.bounds.rule_registry import layer_bound
from lipzoo.bounds.rules._numbers import as_float64
from lipzoo.constraining.replacement import Made, Replacement, copied
from lipzoo.constraints import GroupedSpectralBound, SpectralBound
from lipzoo.layers import SpectralConv1D, SpectralConv2D, SpectralDense
from lipzoo.rounding import norm_up

_DENSE = (keras.layers.Dense, SpectralDense)
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, SpectralConv1D, SpectralConv2D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)

WITH_KERNELS = frozenset(_DENSE + _CONVOLUTIONS + _DEPTHWISE + _SEPARABLE + _TRANSPOSED)
"""Classes of layers that `ConstrainedKernels` stands in the place of."""


@dataclass(frozen=True)
class ChannelAffine:
    """What batch normalisation is at inference: a factor and a shift for every channel.

    Attributes:
        name: of the layer.
        scale, shift: float64.
    """

    name: str
    scale: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, layer) -> "ChannelAffine":
        """The map of a `keras.layers.BatchNormalization` with its present statistics."""
        scale = 1.0 / np.sqrt(as_float64(layer.moving_variance) + layer.epsilon)
        if layer.scale:
            scale = scale * as_float64(layer.gamma)
        shift = -as_float64(layer.moving_mean) * scale
        return cls(layer.name, scale, shift + as_float64(layer.beta) if layer.center else shift)


class ConstrainedKernels(Replacement):
    """A layer of the same class whose kernels are projected, and constrained in training.

    Its bias is multiplied by the gain that the kernels before it have together after projection, so
    that it stays in proportion to what it is added to.

    Args:
        layer: the original.
        name: of the new layer.
        slope: largest slope of its activation.
        bound: what its norm, activation included, may be.
        method: of projection, see `SpectralBound`.
        folded: batch normalisation that follows it, or None.
        drops_activation: whether the new layer is to be linear.
    """

    def __init__(self, layer, name, slope, bound, method, folded=None, drops_activation=False):
        self._original = layer
        self._bound = bound
        self._folded = folded
        changes: dict[str, Any] = {"name": name}
        if folded is not None:
            changes["use_bias"] = True
        if drops_activation:
            changes["activation"] = "linear"
        self._copy = copied(layer, **changes)
        self._kernels = _constrain_kernels(self._copy, bound / max(1.0, slope), method)
        self._ratio = None
        self._changes = []
        if folded is not None:
            self._changes.append(f"'{folded.name}' folded in")
        if drops_activation:
            self._changes.append(f"{layer.activation.__name__} dropped: logits")

    def apply(self, call, bound, tensors, gains, names):
        outputs = [self._copy(tensors[0])]
        if self._ratio is None:
            self._ratio = self._set_weights(gains[0], call.shapes[0])
        change = ", ".join([self._said, *self._changes])
        return Made(outputs, gains[0] * self._ratio, [self._copy.name], change)

    def _set_weights(self, gain, shape) -> float:
        """Projects the original's weights; returns by what factor the kernels have shrunk."""
        original, copy = self._original, self._copy
        kernels = [as_float64(getattr(original, kernel)) for kernel in self._kernels]
        bias = None if original.bias is None else as_float64(original.bias)
        if self._folded is not None:
            kernels[-1] = kernels[-1] * _along_filters(original, kernels[-1], self._folded.scale)
            bias = self._folded.shift + (0.0 if bias is None else bias * self._folded.scale)
        variables = [getattr(copy, kernel) for kernel in self._kernels]
        for variable, kernel in zip(variables, kernels, strict=True):
            variable.assign(kernel)
        if bias is not None:
            copy.bias.assign(bias)
        ratio, self._said = 1.0, "constrained"
        if not layer_bound(copy, shape).value <= self._bound:
            self._said = "projected"
            for variable, kernel in zip(variables, kernels, strict=True):
                variable.assign(variable.constraint(variable))
                ratio *= norm_up(as_float64(variable)) / norm_up(kernel)
        if bias is not None:
            copy.bias.assign(bias * gain * ratio)
        return ratio


def _constrain_kernels(layer, bound, method) -> list[str]:
    """Puts constraints on a layer that is not built yet; returns the names of its kernels."""

    def spectral(strides: Any = 1):
        return SpectralBound(bound, method, strides)

    if isinstance(layer, _DENSE):
        layer.kernel_constraint = spectral()
        return ["kernel"]
    strides = _strides(layer)
    if isinstance(layer, _DEPTHWISE):
        layer.depthwise_constraint = GroupedSpectralBound(bound, strides=strides)
        return ["kernel"]
    if isinstance(layer, _SEPARABLE):
        layer.depthwise_constraint = GroupedSpectralBound(strides=strides)
        layer.pointwise_constraint = spectral()
        return ["depthwise_kernel", "pointwise_kernel"]
    groups = getattr(layer, "groups", 1)
    if groups > 1:
        layer.kernel_constraint = GroupedSpectralBound(bound, groups, strides)
    else:
        layer.kernel_constraint = spectral(strides)
    return ["kernel"]


def _strides(layer) -> tuple[int, ...]:
    """Strides that give the same norm: patches that do not meet are one matrix, however far."""
    pairs = zip(layer.strides, layer.kernel_size, strict=True)
    return tuple(min(stride, size) for stride, size in pairs)


def channel_axis(layer, rank: int) -> int:
    """The axis of a layer's output along which its filters lie."""
    first = getattr(layer, "data_format", None) == "channels_first"
    return 1 if first and not isinstance(layer, _DENSE) else rank - 1


def _along_filters(layer, kernel, scale):
    """A factor per filter in the shape in which it multiplies a kernel."""
    if isinstance(layer, _DEPTHWISE):
        return scale.reshape(kernel.shape[-2:])
    return scale[:, np.newaxis] if isinstance(layer, _TRANSPOSED) else scale
