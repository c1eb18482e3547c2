"""Rules for activations: layers, `activation=` arguments and `keras.ops` functions.

A scalar function with slopes of absolute value at most l is l-Lipschitz on vectors as well.
"""

import math

import keras
import numpy as np

from lipzoo import activations
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.rules._numbers import (
    as_constants,
    as_float64,
    constant_dtype,
    count,
    largest,
    refuse_wider,
)
from lipzoo.rounding import add_up, gamma, mul_up, repeated, unit_roundoff

# Their constants are numbers of Python, which a backend may take in float32.
_WITH_CONSTANTS = ("leaky_relu", "gelu", "gelu_approximate", "selu", "hard_sigmoid", "hard_silu")


def scalar_bound(name: str, input_shape, dtype: str) -> LayerBound:
    """Bound of the activation `name` of `lipzoo.activations.bounded()`, applied to every entry.

    Example:
        >>> scalar_bound("sigmoid", (None, 4), "float32").value
        0.25
    """
    activation = activations.slopes_of(name)
    size = count(input_shape)
    bound = {
        "value": activation.lipschitz,
        "derivation": f"slopes of {activation.name}",
        "offset": repeated(abs(activation.at_zero), size),
    }
    has_constants = activation.name in _WITH_CONSTANTS
    unit = unit_roundoff(constant_dtype(dtype) if has_constants else dtype)
    slope, constant = activation.rounding(unit)
    return LayerBound(**bound, rounding_slope=slope, rounding_offset=repeated(constant, size))


def softmax_bound() -> LayerBound:
    """Bound 1/2 of softmax over one or several axes.

    The Jacobian `diag(p) - p p^T` is symmetric, so its norm is at most its largest absolute row
    sum, `2 p_i (1 - p_i) <= 1/2`. The output has norm at most 1. Its rounding is not analysed.
    """
    return LayerBound(0.5, "softmax: row sums 2p(1-p)", offset=1.0)


def is_softmax(function) -> bool:
    """Whether an activation function is Keras' softmax or log-softmax."""
    return function in (keras.activations.softmax, keras.activations.log_softmax)


def activation_bound(layer, function, input_shape) -> LayerBound:
    """Bound of an activation function as Keras stores it on a layer.

    Raises:
        UncertifiedLayerError: when its slopes are not known.
    """
    if function is None or function is keras.activations.linear:
        return LayerBound.exact(1.0, "linear")
    if function is keras.activations.softmax:
        size, last = count(input_shape), input_shape[-1]
        if size is None or last is None:
            raise UncertifiedLayerError(layer, "Its softmax acts on an unknown size.")
        bound = softmax_bound()
        return LayerBound(bound.value, bound.derivation, repeated(1.0, size // max(last, 1)))
    try:
        name = activations.slopes_of(function).name
    except ValueError as error:
        label = getattr(function, "__name__", repr(function))
        reason = f"The slopes of its activation {label!r} are not known"
        if "not Lipschitz" in str(error):
            reason = f"Its activation {error}".rstrip(".")
        raise UncertifiedLayerError(
            layer, f"{reason}; known are {', '.join(activations.bounded())}."
        ) from None
    return scalar_bound(name, input_shape, layer.compute_dtype)


def _activation(layer, input_shape):
    return activation_bound(layer, layer.activation, input_shape)


def _number(layer, name: str) -> float:
    """An attribute that has to be one finite number: an array may be wider than the input."""
    value = getattr(layer, name)
    if np.ndim(value) or not math.isfinite(value):
        raise UncertifiedLayerError(layer, f"Its {name} is {value!r}, and no finite number.")
    return float(value)


def _piecewise_linear(layer, slope, derivation: str, rounding_offset=0.0) -> LayerBound:
    # A product with a slope that may itself be rounded, and one sum of which one side is 0.
    slope = largest(as_constants(slope))
    rounding = mul_up(slope, gamma(3, constant_dtype(layer.compute_dtype)))
    return LayerBound(max(1.0, slope), derivation, 0.0, rounding, rounding_offset)


def _relu(layer, input_shape):
    if _number(layer, "threshold") != 0:
        raise UncertifiedLayerError(layer, "With threshold > 0 a ReLU is discontinuous.")
    limit = 0.0 if layer.max_value is None else _number(layer, "max_value")
    if limit < 0:
        raise UncertifiedLayerError(layer, f"Its max_value is negative: {limit}.")
    # The upper limit may be rounded; every entry at the limit is off by as much.
    rounded_limit = mul_up(limit, unit_roundoff(constant_dtype(layer.compute_dtype, limit)))
    offset = repeated(rounded_limit, count(input_shape))
    slope = _number(layer, "negative_slope")
    return _piecewise_linear(layer, slope, "slopes of ReLU", offset)


def _leaky_relu(layer, input_shape):
    return _piecewise_linear(layer, _number(layer, "negative_slope"), "slopes of LeakyReLU")


def _prelu(layer, input_shape):
    alpha = as_float64(layer.alpha)
    refuse_wider(layer, input_shape, alpha=alpha)
    return _piecewise_linear(layer, alpha, "largest slope of PReLU")


def _elu(layer, input_shape):
    alpha = largest(as_constants(_number(layer, "alpha")))
    factors = (mul_up(scale, add_up(1.0, alpha)) for scale in activations.get("elu").error_units)
    slope, constant = (
        mul_up(factor, unit_roundoff(constant_dtype(layer.compute_dtype))) for factor in factors
    )
    offset = repeated(constant, count(input_shape))
    return LayerBound(max(1.0, alpha), "slopes of ELU", 0.0, slope, offset)


def _softmax(layer, input_shape):
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    if any(axis % len(input_shape) == 0 for axis in axes):
        raise UncertifiedLayerError(layer, "It normalises over the batch axis.")
    # Each of the softmax vectors has norm at most 1; their number is at most the number of entries.
    return LayerBound(0.5, softmax_bound().derivation, repeated(1.0, count(input_shape)))


RULES = {
    keras.layers.Activation: _activation,
    keras.layers.ReLU: _relu,
    keras.layers.LeakyReLU: _leaky_relu,
    keras.layers.PReLU: _prelu,
    keras.layers.ELU: _elu,
    keras.layers.Softmax: _softmax,
}
