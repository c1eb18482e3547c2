"""Refuses certificates about an arithmetic that the backend does not compute in."""

import keras

from lipzoo.float64 import FLOAT64_ADVICE, computes_in_float64


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
