"""Recognises a linear last layer, whose columns tighten certificates, and a last softmax."""

from typing import Any

import keras
import numpy as np

from lipzoo import activations
from lipzoo.bounds.overrides import overrides
from lipzoo.bounds.rules._numbers import as_float64
from lipzoo.bounds.rules.activation import is_softmax
from lipzoo.keras_internals import nn_operations

_SQUASHING = {
    keras.activations.sigmoid: "sigmoid",
    keras.activations.hard_sigmoid: "hard_sigmoid",
    keras.activations.sparse_sigmoid: "sparse_sigmoid",
}
_SQUASHING_OPERATIONS = (nn_operations.Softmax, nn_operations.LogSoftmax, nn_operations.Sigmoid)


def linear_weights(layer) -> tuple[np.ndarray, np.ndarray] | None:
    """Kernel and bias of a layer that computes `W^T h + b` on vectors; `None` for any other layer.

    Known is `keras.layers.Dense`; any other class counts when it has a method `linear_weights()`
    that returns the pair `(W, b)`, b `None` for none, or `None` where the layer is not linear,
    unless a subclass that inherits it overrides `call`.

    Raises:
        TypeError: if the method returns something else.
    """
    if callable(method := getattr(layer, "linear_weights", None)):
        weights = None if overrides(layer, "linear_weights") is not None else method()
        if weights is None:
            return None
        if not isinstance(weights, tuple | list) or len(weights) != 2:
            raise TypeError(
                f"{type(layer).__name__}.linear_weights(): expected a pair (W, b), or None. "
                f"Received: {type(weights).__name__}"
            )
        return _in_float64(*weights)
    if type(layer) is not keras.layers.Dense or not _is_linear(layer.activation):
        return None
    if layer.lora_enabled or layer.quantization_mode:
        return None
    return _in_float64(layer.kernel, layer.bias)


def _is_linear(activation) -> bool:
    # By identity: anything may call itself linear.
    return activation is keras.activations.linear or activation is activations.get("linear")


def _in_float64(kernel, bias):
    kernel = as_float64(kernel)
    return kernel, np.zeros(kernel.shape[1]) if bias is None else as_float64(bias)


def squashing(operation) -> str | None:
    """Name of the softmax or sigmoid that an operation ends in; `None` when there is none."""
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if isinstance(operation, _SQUASHING_OPERATIONS):
        return type(operation).__name__.lower()
    activation: Any = getattr(operation, "activation", None)
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
