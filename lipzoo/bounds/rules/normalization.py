"""Rules for layers that normalise every example by its own statistics.

`v -> v / sqrt(|v|^2 / n + e)` has a symmetric Jacobian with the eigenvalues `1 / s` and `e / s^3`,
s = sqrt(|v|^2 / n + e) >= sqrt(e), so it is `1 / sqrt(e)`-Lipschitz; taking the mean off is a
projection before it, and gamma a diagonal matrix behind it. The bound is reached where the input is
constant: it is large because the layer is steep there.

Rounding is not bounded: the error of the mean enters relative to a deviation that may be small
against it, so that it grows with the square of the input's norm.
"""

import math

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.rules._numbers import as_float64, count, largest, smallest_constant
from lipzoo.rounding import div_up, mul_up, norm_up, repeated, sqrt_up


def _steepest(layer, gamma) -> LayerBound:
    """The bound by `max |gamma| / sqrt(epsilon)`, without the offset."""
    epsilon = smallest_constant(layer.epsilon)
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise UncertifiedLayerError(
            layer, f"With epsilon={layer.epsilon} it is not continuous at constant inputs."
        )
    value = sqrt_up(div_up(1.0, epsilon))
    if gamma is None:
        return LayerBound(value, "1 / sqrt(epsilon)")
    return LayerBound(mul_up(largest(as_float64(gamma)), value), "max |gamma| / sqrt(epsilon)")


def _shifted(bound: LayerBound, beta, input_shape) -> LayerBound:
    """With the norm of beta, which stands at every position that it is not indexed by."""
    if beta is None:
        return bound
    beta, size = as_float64(beta), count(input_shape)
    copies = None if size is None else size // max(beta.size, 1)
    return LayerBound(bound.value, bound.derivation, repeated(norm_up(beta), copies))


def _axes(layer, input_shape) -> list[int]:
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    axes = [int(axis) % len(input_shape) for axis in axes]
    if 0 in axes:
        raise UncertifiedLayerError(layer, "It normalises over the batch axis.")
    return axes


def _refuse_other_sizes(layer, expected, **weights):
    for name, weight in weights.items():
        if weight is not None and np.size(as_float64(weight)) != expected:
            raise UncertifiedLayerError(
                layer,
                f"Its {name} has {np.size(as_float64(weight))} numbers, and its input asks for "
                f"{expected}: build the model anew.",
            )


def _layer_normalization(layer, input_shape):
    if getattr(layer, "rms_scaling", False):
        raise UncertifiedLayerError(
            layer,
            "With rms_scaling=True it divides by a deviation that the mean is not taken off for, "
            "which has no bound: use keras.layers.RMSNormalization.",
        )
    sizes = [input_shape[axis] for axis in _axes(layer, input_shape)]
    if None in sizes:
        raise UncertifiedLayerError(layer, "It normalises over an unknown size.")
    _refuse_other_sizes(layer, math.prod(sizes), gamma=layer.gamma, beta=layer.beta)
    return _shifted(_steepest(layer, layer.gamma), layer.beta, input_shape)


def _group_normalization(layer, input_shape):
    (axis,) = _axes(layer, input_shape)
    _refuse_other_sizes(layer, input_shape[axis], gamma=layer.gamma, beta=layer.beta)
    return _shifted(_steepest(layer, layer.gamma), layer.beta, input_shape)


def _rms_normalization(layer, input_shape):
    sizes = [input_shape[axis] for axis in _axes(layer, input_shape)]
    if None in sizes:
        raise UncertifiedLayerError(layer, "It normalises over an unknown size.")
    _refuse_other_sizes(layer, math.prod(sizes), scale=layer.scale)
    return _steepest(layer, layer.scale)


def _unit_normalization(layer, input_shape):
    raise UncertifiedLayerError(
        layer,
        "Dividing by the norm is the steeper, the smaller the input: use "
        "keras.layers.RMSNormalization with an epsilon.",
    )


RULES = {
    keras.layers.LayerNormalization: _layer_normalization,
    keras.layers.GroupNormalization: _group_normalization,
    keras.layers.RMSNormalization: _rms_normalization,
    keras.layers.UnitNormalization: _unit_normalization,
}
