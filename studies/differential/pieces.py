"""Layers and operations that take one tensor, drawn at random with their arguments."""

import keras
import numpy as np
from keras import layers, ops

from lipzoo.layers import (
    CanonicalLift,
    CanonicalSpaceToDepth,
    DepthToSpace,
    GradientFlowConv1D,
    GradientFlowConv2D,
    GradientFlowDense,
    GroupSort,
    HamiltonianConv1D,
    HamiltonianConv2D,
    HamiltonianDense,
    Lift,
    Project,
    ScaledAveragePooling1D,
    ScaledAveragePooling2D,
    SpaceToDepth,
    SpectralConv1D,
    SpectralConv2D,
    SpectralDense,
    UnitNormDense,
)

KNOWN = (None, "linear", "relu", "leaky_relu", "tanh", "softplus", "softsign", "sigmoid", "elu")
KNOWN += ("relu6", "silu", "gelu", "hard_tanh", "squareplus")
UNKNOWN = ("exponential", "selu", "mish", "softmax", "hard_sigmoid", "celu", "glu", "log_sigmoid")
MONOTONE = ("relu", "leaky_relu", "tanh", "softplus", "softsign", "sigmoid", "elu", "relu6")


def activation(draw):
    """An activation argument of a layer."""
    if draw.maybe(0.02):
        draw.note("activation by a function")
        return draw.pick(lambda z: 3.0 * z, ops.exp, keras.activations.softmax)
    name = draw.pick(*UNKNOWN) if draw.maybe(0.02) else draw.pick(*KNOWN)
    if name is not None:
        draw.note(f"activation {name}")
    return name


def dense(draw, x):
    units = draw.integer(1, 5)
    kind = draw.pick("Dense", "Dense", "Spectral", "UnitNorm", "Flow", "Hamiltonian")
    bias = draw.maybe(0.7)
    if kind == "Dense":
        return draw.layer(layers.Dense, units, activation=activation(draw), use_bias=bias)(x)
    if kind == "Spectral":
        name = draw.pick(*KNOWN)
        return draw.layer(SpectralDense, units, activation=name, use_bias=bias)(x)
    if kind == "UnitNorm":
        return draw.layer(UnitNormDense, units, use_bias=bias)(x)
    name, time = draw.pick(*MONOTONE), draw.pick(None, 0.5, 3.0)
    if kind == "Flow":
        gain = name not in ("relu", "leaky_relu") and draw.maybe(0.3)
        settings = {"activation": name, "time": time, "train_gain": gain, "use_bias": bias}
        return draw.layer(GradientFlowDense, draw.pick(None, units), **settings)(x)
    settings = {"activation": name, "time": time or 1.0, "steps": draw.integer(1, 2)}
    settings |= {"method": draw.pick("symplectic_euler", "verlet"), "use_bias": bias}
    settings |= {"share_weights": draw.maybe(0.3)}
    return draw.layer(HamiltonianDense, draw.pick(None, units), **settings)(even(draw, x))


def even(draw, x):
    """A tensor of an even number of channels, by zeros."""
    return draw.layer(Lift, x.shape[-1] + 1)(x) if x.shape[-1] % 2 else x


def convolution(draw, x):
    rank = len(x.shape) - 2
    size = tuple(draw.integer(1, 3) for _ in range(rank))
    strides = tuple(draw.integer(1, min(2, k)) for k in size)
    dilation = 1
    if draw.maybe(0.2):
        strides, dilation = (1,) * rank, tuple(draw.integer(1, 2) for _ in range(rank))
    channels, bias = x.shape[-1], draw.maybe(0.7)
    padding = draw.pick("same", "valid", *(["causal"] if rank == 1 else []))
    common = {"padding": padding, "strides": strides, "use_bias": bias}
    common["activation"] = activation(draw)
    kind = draw.pick("Conv", "Conv", "Depthwise", "Separable", "Transpose")
    if kind == "Conv":
        groups = draw.pick(*(g for g in (1, 2, 3) if channels % g == 0))
        kinds = {1: layers.Conv1D, 2: layers.Conv2D}
        filters = groups * draw.integer(1, 2)
        settings = {"dilation_rate": dilation, "groups": groups}
        return draw.layer(kinds[rank], filters, size, **settings, **common)(x)
    if kind == "Transpose":
        kinds = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose}
        common["padding"] = draw.pick("same", "valid")
        return draw.layer(kinds[rank], draw.integer(1, 3), size, **common)(x)
    common["strides"] = strides[0]
    if kind == "Depthwise":
        kinds = {1: layers.DepthwiseConv1D, 2: layers.DepthwiseConv2D}
        common["padding"] = draw.pick("same", "valid")
        settings = {"depth_multiplier": draw.integer(1, 2), "dilation_rate": dilation}
        return draw.layer(kinds[rank], size, **settings, **common)(x)
    kinds = {1: layers.SeparableConv1D, 2: layers.SeparableConv2D}
    common["padding"] = draw.pick("same", "valid")
    return draw.layer(kinds[rank], draw.integer(1, 3), size, dilation_rate=dilation, **common)(x)


def constrained_convolution(draw, x):
    rank = len(x.shape) - 2
    size = draw.integer(1, 3)
    settings = {"kernel_size": size, "strides": draw.integer(1, size)}
    settings["padding"] = draw.pick("same", "valid", "circular")
    settings["use_bias"] = draw.maybe(0.7)
    if settings["padding"] == "circular":
        settings["shift"] = draw.integer(0, 2)
    kind = draw.pick("Spectral", "Flow", "Hamiltonian")
    if kind == "Spectral":
        kinds = {1: SpectralConv1D, 2: SpectralConv2D}
        name = draw.pick(*KNOWN)
        return draw.layer(kinds[rank], draw.integer(1, 4), activation=name, **settings)(x)
    settings |= {"activation": draw.pick(*MONOTONE), "time": draw.pick(0.5, 3.0)}
    if kind == "Flow":
        kinds = {1: GradientFlowConv1D, 2: GradientFlowConv2D}
        return draw.layer(kinds[rank], draw.pick(None, 2, 3), **settings)(x)
    kinds = {1: HamiltonianConv1D, 2: HamiltonianConv2D}
    settings["method"] = draw.pick("symplectic_euler", "verlet")
    return draw.layer(kinds[rank], draw.pick(None, 2), **settings)(even(draw, x))


def pooling(draw, x):
    rank = len(x.shape) - 2
    settings = {"pool_size": draw.integer(1, 3), "padding": draw.pick("same", "valid")}
    settings["strides"] = draw.pick(None, 1, 2)
    kinds = {
        1: (layers.AveragePooling1D, layers.MaxPooling1D),
        2: (layers.AveragePooling2D, layers.MaxPooling2D),
    }
    if draw.maybe(0.2):
        kind = {1: ScaledAveragePooling1D, 2: ScaledAveragePooling2D}[rank]
        return draw.layer(kind, draw.pick(None, 1, 2))(x)
    return draw.layer(draw.pick(*kinds[rank]), **settings)(x)


def rearrangement(draw, x):
    rank, channels = len(x.shape) - 2, x.shape[-1]
    options = [
        lambda: draw.layer(Lift, channels + draw.integer(0, 2)),
        lambda: draw.layer(Project, draw.integer(1, channels)),
        lambda: draw.layer(GroupSort, draw.pick(1, 2)),
        lambda: draw.layer(layers.Permute, tuple(draw.random.permutation(rank + 1) + 1)),
    ]
    if rank == 0:
        options.append(lambda: draw.layer(layers.RepeatVector, draw.integer(1, 2)))
        options.append(lambda: draw.layer(CanonicalLift, 2 * channels))
    if rank == 1:
        options.append(lambda: draw.layer(layers.ZeroPadding1D, draw.integer(0, 2)))
        options.append(lambda: draw.layer(layers.Cropping1D, draw.integer(0, 1)))
        options.append(lambda: draw.layer(layers.UpSampling1D, draw.integer(1, 2)))
    if rank == 2:
        options.append(lambda: draw.layer(layers.ZeroPadding2D, draw.integer(0, 1)))
        options.append(lambda: draw.layer(layers.Cropping2D, draw.integer(0, 1)))
        interpolation = draw.pick("nearest", "nearest", "nearest", "bilinear")
        options.append(lambda: draw.layer(layers.UpSampling2D, 2, interpolation=interpolation))
        options.append(lambda: draw.layer(SpaceToDepth, 2))
        options.append(lambda: draw.layer(DepthToSpace, 2))
        options.append(lambda: draw.layer(CanonicalSpaceToDepth, 2))
    return draw.pick(*options)()(x)


def normalization(draw, x):
    """Layers that scale and shift, at times with statistics wider than the input."""
    shape = tuple(x.shape[1:])
    kind = draw.pick("BatchNormalization", "Rescaling", "Normalization")
    if kind == "BatchNormalization":
        axis = -1 if draw.maybe(0.8) else draw.integer(1, len(shape))
        settings = {"axis": axis, "scale": draw.maybe(0.8), "center": draw.maybe(0.8)}
        return draw.layer(layers.BatchNormalization, epsilon=draw.pick(1e-3, 0.5), **settings)(x)
    size = shape[-1]
    if draw.maybe(0.1):
        size = size + draw.integer(1, 2)
        draw.note("statistics of another size")
    if kind == "Rescaling":
        scale = draw.pick(0.5, -2.0, 1 / 3, draw.values((size,)))
        return draw.layer(layers.Rescaling, scale, draw.pick(0.0, 0.1, draw.values((size,))))(x)
    statistics = {"mean": draw.values((size,)), "variance": draw.random.random(size) + 0.01}
    if draw.maybe(0.3):
        statistics = {"axis": None, "mean": 0.3, "variance": draw.pick(0.25, 1e-9)}
    return draw.layer(layers.Normalization, invert=draw.maybe(0.2), **statistics)(x)


def activation_layer(draw, x):
    options = [
        lambda: draw.layer(layers.ReLU, **relu_arguments(draw)),
        lambda: draw.layer(layers.LeakyReLU, negative_slope=draw.pick(0.1, 0.9, 1.5)),
        lambda: draw.layer(layers.PReLU),
        lambda: draw.layer(layers.ELU, alpha=draw.pick(0.5, 1.0, 2.0, -1.0)),
        lambda: draw.layer(layers.Activation, activation(draw) or "tanh"),
        lambda: draw.layer(layers.Softmax, axis=draw.pick(-1, 1)),
    ]
    return draw.pick(*options)()(x)


def relu_arguments(draw):
    settings = {"max_value": draw.pick(None, 0.7, 6.0), "negative_slope": draw.pick(0.0, 0.3, 2.0)}
    return settings | {"threshold": draw.pick(0.0, 0.0, 0.0, 0.0, 0.5)}


def idle_layer(draw, x):
    """What does nothing at inference."""
    options = [
        lambda: draw.layer(layers.Dropout, 0.5),
        lambda: draw.layer(layers.GaussianNoise, 1.0),
        lambda: draw.layer(layers.Identity),
        lambda: draw.layer(layers.ActivityRegularization, l2=0.1),
        lambda: draw.layer(layers.AlphaDropout, 0.3),
        lambda: draw.layer(layers.GaussianDropout, 0.3),
    ]
    return draw.pick(*options)()(x)


def rare_layer(draw, x):
    """Layers that nobody has proven anything about, or not yet."""
    draw.note("rare layer")
    rank = len(x.shape) - 2
    options = [
        lambda: draw.layer(layers.LayerNormalization),
        lambda: draw.layer(layers.UnitNormalization),
        lambda: draw.layer(layers.EinsumDense, "...a,ab->...b", output_shape=(*x.shape[1:-1], 2)),
        lambda: draw.layer(layers.RMSNormalization, epsilon=draw.pick(1e-2, 1e-3)),
        lambda: draw.layer(layers.GroupNormalization, groups=1, epsilon=1e-2),
        lambda: draw.layer(layers.Lambda, lambda z: 2 * z),
        lambda: draw.layer(layers.Discretization, bin_boundaries=[0.0, 1.0]),
    ]
    if rank == 1:
        steps, size = x.shape[1], x.shape[-1]
        for equation, shape, bias in (
            ("abc,cd->abd", (None, 3), "d"),
            ("abc,bcd->abd", (steps, 2), "bd"),
            ("abc,bd->adc", (2, size), "d"),
            ("abc,bcd->ad", (3,), None),
        ):
            options.append(
                lambda equation=equation, shape=shape, bias=bias: draw.layer(
                    layers.EinsumDense, equation, shape, bias_axes=bias
                )
            )
        options.append(lambda: draw.layer(layers.SimpleRNN, 2))
        options.append(lambda: draw.layer(layers.TimeDistributed, layers.Dense(2)))
    if rank == 2:
        options.append(lambda: draw.layer(layers.RandomFlip))
        options.append(lambda: draw.layer(layers.CenterCrop, 2, 2))
        options.append(lambda: draw.layer(layers.Resizing, 4, 4))
    return draw.pick(*options)()(x)


def reshaped(draw, x):
    """The same entries in another shape."""
    shape, total = tuple(x.shape[1:]), int(np.prod(x.shape[1:]))
    options = [(total,), (total, 1), (1, total)]
    options += [(total // k, k) for k in (2, 3) if total % k == 0]
    options += [(2, total // 4, 2)] if total % 4 == 0 else []
    target = draw.pick(*options)
    if target == shape:
        return x
    if draw.maybe(0.5):
        return draw.layer(layers.Reshape, target)(x)
    draw.note("operation Reshape")
    return ops.reshape(x, (-1, *target))
