"""HamNet: a classifier made of Hamiltonian steps, whose gradients do not vanish at any depth."""

import math

import keras

from lipzoo import activations
from lipzoo.constraints import SpectralBound
from lipzoo.layers import (
    CanonicalLift,
    CanonicalSpaceToDepth,
    HamiltonianConv1D,
    HamiltonianConv2D,
    HamiltonianDense,
    SpectralDense,
    UnitNormDense,
)
from lipzoo.layers.hamiltonian import is_finite_power, shear_norm
from lipzoo.models.checking import (
    check_choice,
    check_classes,
    check_integers,
    check_stages,
    checked_shape,
    without_weights,
)
from lipzoo.models.stages import DATA_FORMAT, layers_of_stage, one_axis, pixels_to_channels
from lipzoo.models.standardize import standardize
from lipzoo.validation import check_neurons, positive_number

HEADS = {
    "dense": keras.layers.Dense,
    "orthogonal": SpectralDense,
    "unit_norm": UnitNormDense,
}
OPERATORS = ("convolution", "axial")
_FLOW = {1: HamiltonianConv1D, 2: HamiltonianConv2D}


@without_weights
def HamNet(
    input_shape,
    num_classes,
    *,
    depth=64,
    width=32,
    units=None,
    stem=2,
    stages=2,
    operators="convolution",
    kernel_size=3,
    time=8.0,
    method="symplectic_euler",
    activation="tanh",
    gain=1.0,
    bound=1.0,
    head="dense",
    normalization=None,
    include_top=True,
    name="hamnet",
):
    """Builds a deep classifier of images, sequences or tables from symplectic steps.

    1. *stem*: zeros around the image up to sizes that divide, blocks of `stem × stem` pixels become
       channels, and zero channels are appended to both halves (q, p) of the state, up to `width`;
    2. *stages*: `depth` Hamiltonian layers in all, one step of size `time / depth` each. Between
       stages, space-to-depth on q and on p alike (half the size, four times the channels);
    3. *head*: everything flattened into a linear layer, named `head`.

    Tables `(features,)` are lifted to `width` numbers and have one stage of dense steps.

    Between lift and head the network is exactly symplectic: the Jacobian of the last state with
    respect to any earlier one has norm at least 1, for any weights and any depth, so gradients do
    not vanish. From the input as well, wherever it has two channels after the stem (or features)
    at least; a single one fills no canonical pair. The network is not contractive: the Lipschitz
    bound is that of the shears, and grows with `time · bound²`.

    Args:
        input_shape: `(height, width, channels)`, `(length, channels)` or `(features,)`.
        num_classes: number of logits.
        depth: number of Hamiltonian layers.
        width: channels of the lifted state, q and p together; even, at least `channels · stem²`.
        units: neurons of each step's operators; None for as many as there are inputs (channels of a
            half of the state, times the length of the axis that an axial operator spans), `"half"`
            for half of them.
        stem: block size of the stem, 1 for none.
        stages: number of resolutions, among which the depth is divided evenly.
        operators: `"convolution"`, or `"axial"`: matrices that span whole columns and whole rows in
            turn, each applied to all columns or rows alike.
        kernel_size: of the convolutions, with zero padding.
        time: integration time T of the whole network.
        method: `"symplectic_euler"` or `"verlet"`.
        activation: a non-decreasing activation, see `lipzoo.activations.known()`.
        gain: the steps apply `σ(gain · z) / gain`, which has the slopes of σ.
        bound: largest operator norm of the steps' kernels; those that exceed it are scaled.
        head: `"dense"` (unconstrained), `"orthogonal"` or `"unit_norm"` columns.
        normalization: None, or `{"mean": [...], "variance": [...]}` per channel or feature: the
            model then standardises its input first, a layer whose factor counts in the bound.
        include_top: False for the model without flattening and head: it returns the last state.
        name: name of the model.

    Returns:
        An ordinary functional `keras.Model` with logits (no softmax) as output.

    Raises:
        ValueError: if an argument is out of range, the width is odd or below the channels after the
            stem, or time, depth and bound declare an infinite Lipschitz bound.

    Reference: arXiv 2510.22299.

    Example:

    >>> import lipzoo
    >>> model = HamNet((8, 8, 1), 10, depth=4, width=8, time=1.0)
    >>> model.output_shape
    (None, 10)
    >>> body = HamNet((8, 8, 1), 10, depth=4, width=8, time=1.0, include_top=False)
    >>> 1.0 <= lipzoo.lipschitz_bound(body).value <= 2.8
    True
    """
    input_shape = checked_shape(input_shape)
    check_classes(num_classes)
    check_integers(
        {
            "depth": depth,
            "width": width,
            "stem": stem,
            "stages": stages,
            "kernel_size": kernel_size,
        },
        minimum=1,
    )
    check_neurons(units, "units")
    check_choice(head, "head", HEADS)
    check_choice(operators, "operators", OPERATORS)
    positive_number(time, "time")
    _check_sizes(input_shape, depth, width, stem, stages)
    inputs = keras.Input(input_shape, name="input")
    x = standardize(inputs, normalization)
    rank = len(input_shape) - 1
    if rank:
        x = pixels_to_channels(x, stem, halvings=stages - 1)
    x = CanonicalLift(width, name="lift")(x)
    _refuse_infinite_bound(depth, time, activation, bound)
    shared = {
        "time": time / depth,
        "method": method,
        "activation": activation,
        "gain": gain,
        "kernel_constraint": SpectralBound(bound, method="scale"),
    }
    stages = stages if rank else 1
    for stage in range(1, stages + 1):
        if stage > 1:
            x = CanonicalSpaceToDepth(2, name=f"stage{stage}_space_to_depth")(x)
        for i in range(1, layers_of_stage(stage, depth, stages) + 1):
            layer_name = f"stage{stage}_flow{i}"
            if not rank:
                step = HamiltonianDense(units, name=layer_name, **shared)
            elif operators == "convolution":
                step = _FLOW[rank](units, kernel_size, name=layer_name, **shared)
            else:
                size = one_axis(x.shape[1:-1], (i - 1) % rank)
                step = _FLOW[rank](units, size, size, "circular", name=layer_name, **shared)
            x = step(x)
    if include_top:
        if rank:
            x = keras.layers.Flatten(data_format=DATA_FORMAT, name="flatten")(x)
        x = HEADS[head](num_classes, name="head")(x)
    return keras.Model(inputs, x, name=name)


def _refuse_infinite_bound(depth, time, activation, bound):
    """Refuses what declares no finite bound: whatever the method, at most three shears a layer."""
    m = time / depth * activations.get_monotone(activation).upper * SpectralBound(bound).bound ** 2
    norm = shear_norm(m) if math.isfinite(m) else math.inf
    if not is_finite_power(norm, 3 * depth):
        raise ValueError(
            "time, depth and bound must give a finite Lipschitz bound; the product of the shears, "
            f"each of norm {norm:.3g}, is none. Take a smaller time or a smaller bound. "
            f"Received: time={time}, depth={depth}, bound={bound}"
        )


def _check_sizes(input_shape, depth, width, stem, stages):
    rank = len(input_shape) - 1
    if width % 2:
        raise ValueError(
            "width must be even: the state is split into two halves (q, p). "
            f"Received: width={width}"
        )
    needed = input_shape[-1] * stem**rank
    needed += needed % 2
    if width < needed:
        raise ValueError(
            f"width must be at least {needed}, the channels after the stem made even. "
            f"Received: width={width}"
        )
    if rank:
        check_stages(depth, stages)
