"""Gains that are trained: one per neuron, kept away from zero."""

import keras
import numpy as np
from keras import ops

from lipzoo.layers._constrained import array

# A gain may grow or shrink by this factor.
RANGE = 64.0


class GainRange(keras.constraints.Constraint):
    """Clips gains to `[start / 64, 64 start]`.

    No bound rests on it: σ(cz)/c has the slopes of σ for every `c ≠ 0`. It keeps the quotient, and
    with it the rounding error, in a reasonable range.
    """

    def __init__(self, start: float):
        self.start = start

    def __call__(self, w):
        return ops.clip(w, self.start / RANGE, self.start * RANGE)

    def get_config(self):
        return {"start": self.start}


def add_gains(layer, units: int):
    """Adds one gain for each of a layer's neurons, all of them `layer.gain` at first."""
    return layer.add_weight(
        name="gain",
        shape=(units,),
        initializer=keras.initializers.Constant(layer.gain),
        constraint=GainRange(layer.gain),
    )


def checked_gains(layer) -> np.ndarray:
    """Returns a layer's trained gains as float64.

    Raises:
        ValueError: if one is zero or not finite, for which there is no σ(cz)/c, or they are not
            one per neuron.
    """
    gains = array(layer.gains).astype("float64")
    if gains.shape != (layer.kernel.shape[-1],):
        raise ValueError(
            f"{layer.name}: expected one gain for each of {layer.kernel.shape[-1]} neurons. "
            f"Received: gains of shape {gains.shape}"
        )
    if not (np.isfinite(gains).all() and gains.all()):
        bad = gains[~np.isfinite(gains) | (gains == 0)]
        raise ValueError(
            f"{layer.name}: expected gains that are finite and not zero. "
            f"Received: {bad[0]} for {len(bad)} of {len(gains)} neurons"
        )
    return gains
