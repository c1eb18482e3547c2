"""Standardisation of the input as a layer of the model, whose factor counts in the bound."""

import keras
import numpy as np


def standardize(x, normalization):
    """Returns `(x - mean) / sqrt(variance)` along the last axis; x itself for None.

    Args:
        x: input tensor of a model.
        normalization: None, or `{"mean": [...], "variance": [...]}`, one number per channel or
            feature, or one for all.

    Raises:
        ValueError: for other keys, wrong lengths, or numbers that are not finite; variances must be
            positive.
    """
    if normalization is None:
        return x
    if not isinstance(normalization, dict) or set(normalization) != {"mean", "variance"}:
        raise ValueError(
            "normalization must be None or a dict with the keys 'mean' and 'variance'. "
            f"Received: normalization={normalization!r}"
        )
    for name, values in normalization.items():
        try:
            numbers = np.asarray(values, "float64")
        except (TypeError, ValueError):
            numbers = np.full((), np.nan)
        fits = numbers.size == 1 or numbers.shape == (x.shape[-1],)
        in_range = np.all(np.isfinite(numbers)) and (name == "mean" or np.all(numbers > 0))
        if not (fits and in_range):
            kind = "finite" if name == "mean" else "positive finite"
            raise ValueError(
                f"normalization[{name!r}] must hold {x.shape[-1]} {kind} numbers. "
                f"Received: {values!r}"
            )
    return keras.layers.Normalization(name="normalization", **normalization)(x)
