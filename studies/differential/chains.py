"""Random chains of affine layers with ReLUs between them."""

import keras
from keras import layers


def make(draw) -> keras.Model:
    """A classifier of a few layers on vectors, sequences or images."""
    rank = draw.pick(0, 0, 1, 2)
    shape = (*(draw.integer(3, 6) for _ in range(rank)), draw.integer(2, 6 if rank == 0 else 3))
    x = start = keras.Input(
        shape, dtype=draw.float_type(draw.pick("float32", "float32", "float64"))
    )
    for _ in range(draw.integer(1, 4)):
        x = _activated(draw, _affine(draw, x))
    if len(x.shape) > 2:
        x = draw.layer(layers.Flatten)(x)
        if draw.maybe(0.5):
            x = _activated(draw, draw.layer(layers.Dense, draw.integer(2, 8))(x))
    x = draw.layer(layers.Dense, draw.integer(1, 4))(x)
    return keras.Model(start, x, name="model")


def _affine(draw, x):
    rank = len(x.shape) - 2
    kinds = ["dense", "dense", "scale", "batch"] if rank == 0 else ["conv", "conv", "pool", "pad"]
    kind = draw.pick(*kinds, "dense")
    draw.note(f"chain {kind}")
    if kind == "dense":
        return draw.layer(layers.Dense, draw.integer(2, 9), use_bias=draw.maybe(0.8))(x)
    if kind == "scale":
        return draw.layer(layers.Rescaling, draw.pick(0.5, 1 / 3, -2.0), offset=0.1)(x)
    if kind == "batch":
        return draw.layer(layers.BatchNormalization)(x)
    if kind == "conv":
        conv = (layers.Conv1D, layers.Conv2D, layers.DepthwiseConv1D, layers.DepthwiseConv2D)
        chosen = conv[rank - 1 + draw.pick(0, 0, 2)]
        arguments = (draw.integer(1, 4), 2) if "Depth" not in chosen.__name__ else (2,)
        padding = draw.pick("same", "valid")
        return draw.layer(chosen, *arguments, padding=padding, strides=draw.pick(1, 2))(x)
    if kind == "pool":
        pool = (layers.AveragePooling1D, layers.AveragePooling2D)[rank - 1]
        return draw.layer(pool, 2, padding="same")(x)
    return draw.layer((layers.ZeroPadding1D, layers.ZeroPadding2D)[rank - 1], 1)(x)


def _activated(draw, x):
    kind = draw.pick("relu", "relu", "layer", "leaky", "steep", "none")
    draw.note(f"chain {kind}")
    if kind == "relu":
        return draw.layer(layers.Activation, "relu")(x)
    if kind == "layer":
        return draw.layer(layers.ReLU, negative_slope=draw.pick(0.0, 0.25))(x)
    if kind == "leaky":
        return draw.layer(layers.Activation, "leaky_relu")(x)
    return draw.layer(layers.LeakyReLU, negative_slope=1.75)(x) if kind == "steep" else x
