"""Baselines without constraint: plain layers in depth, and residual layers."""

import keras

from lipzoo.layers import CanonicalLift
from lipzoo.models.checking import (
    check_classes,
    check_integers,
    check_stages,
    checked_shape,
    without_weights,
)
from lipzoo.models.stages import DATA_FORMAT, layers_of_stage, pixels_to_channels
from lipzoo.models.standardize import standardize

_CONVOLUTION = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D}
_AVERAGE = {
    1: keras.layers.GlobalAveragePooling1D,
    2: keras.layers.GlobalAveragePooling2D,
}


@without_weights
def MLP(
    input_shape,
    num_classes,
    *,
    depth=2,
    width=32,
    activation="tanh",
    kernel_initializer="glorot_uniform",
    normalization=None,
    include_top=True,
    name="mlp",
):
    """Builds a plain multilayer perceptron, `x ↦ σ(Wx + b)` layer after layer.

    Nothing constrains it: `lipzoo.lipschitz_bound` is the product of its norms, usually large, and
    its gradients may vanish or explode with the depth. It is there to compare with.

    Args:
        input_shape: shape of one input, flattened first and lifted by zeros where `width` is
            larger and even, as in `HamNet`.
        num_classes: number of logits.
        depth: number of hidden layers.
        width: neurons of each.
        activation: what Keras' Dense takes.
        kernel_initializer: what Keras' Dense takes; the default is Keras' own.
        normalization: as in `HamNet`.
        include_top: False for the model without its last linear layer, named `head`.
        name: name of the model.

    Returns:
        An ordinary functional `keras.Model` with logits as output.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> MLP((2,), 2, depth=12, width=4).count_params()
    250
    """
    input_shape = checked_shape(input_shape)
    check_classes(num_classes)
    check_integers({"depth": depth, "width": width}, minimum=1)
    inputs = keras.Input(input_shape, name="input")
    x = standardize(inputs, normalization)
    if len(input_shape) > 1:
        x = keras.layers.Flatten(data_format=DATA_FORMAT, name="flatten")(x)
    if width % 2 == 0 and width > x.shape[-1]:
        x = CanonicalLift(width, name="lift")(x)
    for i in range(1, depth + 1):
        x = keras.layers.Dense(
            width, activation, kernel_initializer=kernel_initializer, name=f"dense{i}"
        )(x)
    return _with_head(inputs, x, num_classes, include_top, name)


@without_weights
def ResNet(
    input_shape,
    num_classes,
    *,
    depth=12,
    width=32,
    units=None,
    stem=2,
    stages=2,
    kernel_size=3,
    activation="tanh",
    kernel_initializer="glorot_uniform",
    normalization=None,
    include_top=True,
    name="resnet",
):
    """Builds a residual network of blocks `x ↦ x + Vσ(Wx + b)`, without constraint.

    The same shape as `HamNet` (stem, lift, stages, head) with unrelated matrices W and V where that
    has one operator and its adjoint: explicit Euler steps of a field without structure. Images and
    sequences are halved by strided convolutions between stages and averaged before the head.

    Args:
        input_shape: `(height, width, channels)`, `(length, channels)` or `(features,)`.
        num_classes: number of logits.
        depth: number of residual blocks.
        width: channels of the state of the first stage, even and at least those after the stem;
            doubled from stage to stage.
        units: neurons of a block; None for as many as the state has channels.
        stem, stages, kernel_size, normalization: as in `HamNet`.
        activation, kernel_initializer: what Keras' layers take.
        include_top: False for the model without its last linear layer, named `head`.
        name: name of the model.

    Returns:
        An ordinary functional `keras.Model` with logits as output.

    Raises:
        ValueError: if an argument is out of range.

    Reference: arXiv 1512.03385.

    Example:

    >>> ResNet((2,), 2, depth=12, width=4).output_shape
    (None, 2)
    """
    input_shape = checked_shape(input_shape)
    check_classes(num_classes)
    check_integers(
        {"depth": depth, "width": width, "stem": stem, "stages": stages, "kernel_size": kernel_size}
        | ({} if units is None else {"units": units}),
        minimum=1,
    )
    inputs = keras.Input(input_shape, name="input")
    x = standardize(inputs, normalization)
    rank = len(input_shape) - 1
    if rank:
        check_stages(depth, stages)
    needed = input_shape[-1] * stem**rank
    if width % 2 or width < needed:
        raise ValueError(
            f"width must be even and at least {needed}, the channels after the stem. "
            f"Received: width={width}"
        )
    arguments = {"kernel_initializer": kernel_initializer}
    if rank:
        arguments["data_format"] = DATA_FORMAT
        x = pixels_to_channels(x, stem, halvings=stages - 1)
    x = CanonicalLift(width, name="lift")(x)
    stages = stages if rank else 1
    for stage in range(1, stages + 1):
        if stage > 1:
            halve = _CONVOLUTION[rank](
                2 * x.shape[-1], 2, strides=2, name=f"stage{stage}_halve", **arguments
            )
            x = halve(x)
        for i in range(1, layers_of_stage(stage, depth, stages) + 1):
            x = _block(x, rank, units, kernel_size, activation, arguments, f"stage{stage}_block{i}")
    if rank:
        x = _AVERAGE[rank](data_format=DATA_FORMAT, name="average")(x)
    return _with_head(inputs, x, num_classes, include_top, name)


def _block(x, rank, units, kernel_size, activation, arguments, name):
    channels = x.shape[-1]
    if rank:
        into = _CONVOLUTION[rank](
            units or channels,
            kernel_size,
            padding="same",
            activation=activation,
            name=f"{name}_in",
            **arguments,
        )
        out = _CONVOLUTION[rank](
            channels, kernel_size, padding="same", name=f"{name}_out", **arguments
        )
    else:
        into = keras.layers.Dense(units or channels, activation, name=f"{name}_in", **arguments)
        out = keras.layers.Dense(channels, use_bias=False, name=f"{name}_out", **arguments)
    return keras.layers.Add(name=f"{name}_add")([x, out(into(x))])


def _with_head(inputs, x, num_classes, include_top, name):
    if include_top:
        x = keras.layers.Dense(num_classes, name="head")(x)
    return keras.Model(inputs, x, name=name)
