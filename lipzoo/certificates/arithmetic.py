"""Refuses certificates about an arithmetic that the backend does not compute in."""

import keras
from keras import ops

from lipzoo.float64 import FLOAT64_ADVICE, computes_in_float64, tells_float64_apart
from lipzoo.keras_internals import calls_of

# What these layers compute besides products and sums. Keras on JAX takes statistics and means of
# float64 numbers in float32, whatever the type of what it returns.
_FUNCTIONS = {
    keras.layers.BatchNormalization: lambda x: keras.layers.BatchNormalization(dtype="float64")(x),
    keras.layers.GlobalAveragePooling1D: lambda x: ops.mean(x, axis=1),
    keras.layers.GlobalAveragePooling2D: lambda x: ops.mean(x, axis=1),
}


def check_arithmetic(model: keras.Model) -> None:
    """Refuses a float64 model where its layers compute in float32.

    Rounding errors are bounded by the roundoff of each layer's compute dtype, which must then be
    the one that the backend uses.

    Raises:
        ValueError: for a float64 layer on such a backend.
    """
    double = [
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if layer.compute_dtype == "float64"
        and not isinstance(layer, keras.Model | keras.layers.InputLayer)
    ]
    if double and not computes_in_float64():
        raise ValueError(
            "Expected a model in an arithmetic that the backend computes in, or rounding=False. "
            f"Received: layer {double[0]!r} of dtype float64 on the backend "
            f"{keras.backend.backend()!r} ({FLOAT64_ADVICE})"
        )
    for operation in _operations(model):
        function = _function(operation)
        if function is not None and not tells_float64_apart(function):
            raise ValueError(
                "Expected a model in an arithmetic that the backend computes in, or "
                f"rounding=False. Received: layer {operation.name!r} of dtype float64, which Keras "
                f"computes in float32 on the backend {keras.backend.backend()!r}; TensorFlow keeps "
                "float64 there."
            )


def _operations(model):
    """The layers and the recorded operations of a model, those of nested models included."""
    for layer in [model, *model._flatten_layers(include_self=False)]:
        yield layer
        yield from getattr(layer, "operations", ())


def _function(operation):
    """What a float64 layer, or a recorded mean of float64 numbers, needs to be kept."""
    if isinstance(operation, keras.layers.Layer):
        if operation.compute_dtype != "float64":
            return None
        return next((f for kind, f in _FUNCTIONS.items() if isinstance(operation, kind)), None)
    inputs = [tensor for node in calls_of(operation) for tensor in node.input_tensors]
    if type(operation).__name__ != "Mean" or "float64" not in {tensor.dtype for tensor in inputs}:
        return None
    return lambda x: ops.mean(x, axis=1)
