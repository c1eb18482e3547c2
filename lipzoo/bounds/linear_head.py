"""Recognises a linear last layer, whose columns tighten certificates, and a last softmax."""

import keras
import numpy as np
from keras.src.ops import nn

from lipzoo.bounds.overrides import overrides
from lipzoo.bounds.rules._numbers import as_float64
from lipzoo.bounds.rules.activation import is_softmax
from lipzoo.layers import SpectralDense, UnitNormDense

_SQUASHING = {
    keras.activations.sigmoid: "sigmoid",
    keras.activations.hard_sigmoid: "hard_sigmoid",
    keras.activations.sparse_sigmoid: "sparse_sigmoid",
}


def linear_weights(layer) -> tuple[np.ndarray, np.ndarray] | None:
    """Kernel and bias of a layer that computes `W^T h + b` on vectors; `None` for any other layer.

    Known are `keras.layers.Dense`, `lipzoo.layers.SpectralDense` and `UnitNormDense`; any other
    class counts when it has a method `linear_weights()` that returns the pair `(W, b)`, unless a
    subclass that inherits it overrides `call`.
    """
    if callable(method := getattr(layer, "linear_weights", None)):
        if overrides(layer, "linear_weights") is not None:
            return None
        kernel, bias = method()
        kernel = as_float64(kernel)
        return kernel, np.zeros(kernel.shape[1]) if bias is None else as_float64(bias)
    if type(layer) not in (keras.layers.Dense, SpectralDense, UnitNormDense):
        return None
    activation = getattr(layer, "activation", None)
    is_linear = activation in (None, keras.activations.linear)
    if not is_linear and getattr(activation, "name", None) != "linear":
        return None
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        return None
    kernel = as_float64(layer.kernel)
    bias = getattr(layer, "bias", None)
    return kernel, np.zeros(kernel.shape[1]) if bias is None else as_float64(bias)


def squashing(operation) -> str | None:
    """Name of the softmax or sigmoid that an operation ends in; `None` when there is none."""
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if isinstance(operation, nn.Softmax | nn.LogSoftmax | nn.Sigmoid):
        return type(operation).__name__.lower()
    activation = getattr(operation, "activation", None)
    if is_softmax(activation):
        return activation.__name__
    if getattr(activation, "name", None) == "sigmoid":
        return "sigmoid"
    try:
        return _SQUASHING.get(activation)
    except TypeError:
        return None


def passes_through(operation) -> bool:
    """Whether an operation at the end of a model changes nothing, so that one looks before it."""
    if type(operation) in (
        keras.layers.Identity,
        keras.layers.Dropout,
        keras.layers.ActivityRegularization,
    ):
        return True
    return (
        type(operation) is keras.layers.Activation
        and operation.activation is keras.activations.linear
    )
