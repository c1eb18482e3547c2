"""GradFlowNet: a classifier made of gradient flows."""

import keras

from lipzoo.layers import (
    GradientFlowConv1D,
    GradientFlowConv2D,
    GradientFlowDense,
    Lift,
    SpaceToDepth,
    SpectralConv1D,
    SpectralConv2D,
    SpectralDense,
    UnitNormDense,
)
from lipzoo.models.checking import (
    check_choice,
    check_classes,
    check_integers,
    checked_shape,
    without_weights,
)
from lipzoo.models.stages import DATA_FORMAT, one_axis, pixels_to_channels
from lipzoo.models.standardize import standardize
from lipzoo.validation import check_neurons

HEADS = ("orthogonal", "unit_norm")
_FLOW = {1: GradientFlowConv1D, 2: GradientFlowConv2D}
_PROJECTION = {1: SpectralConv1D, 2: SpectralConv2D}
_AXIS_NAMES = {1: ("time",), 2: ("vertical", "horizontal")}


@without_weights
def GradFlowNet(
    input_shape,
    num_classes,
    *,
    width=32,
    stem=2,
    patch_depths=(6,),
    units=None,
    axial_depth=6,
    axial_units=224,
    features=256,
    dense_depth=3,
    activation="relu",
    gain=1.0,
    train_gain=False,
    head="orthogonal",
    normalization=None,
    include_top=True,
    name="gradflownet",
):
    """Builds a 1-Lipschitz classifier of images, sequences or tables from gradient flows.

    Every layer is a step `x ↦ x - h Aᵀσ(Ax + b)` of a gradient flow, an isometry, or a matrix with
    orthonormal columns, so the network is 1-Lipschitz in the Euclidean norm by construction:

    1. *stem*: blocks of `stem × stem` pixels become channels, zero channels are appended (`width`);
    2. *patches*: for each entry of `patch_depths`, that many flows on 2 × 2 patches, every other
       one shifted cyclically by a pixel, then space-to-depth (half the size, four times the
       channels);
    3. *axial*: flows whose operator spans whole columns and whole rows in turn;
    4. *dense*: orthonormal projections of the columns, then of everything, to `features` numbers,
       and dense flows;
    5. *head*: a linear layer, named `head`.

    Sequences `(length, channels)` go the same way along one axis; tables `(features,)` start at
    step 4. Sizes that do not divide are padded with zeros first (an isometry).

    Args:
        input_shape: `(height, width, channels)`, `(length, channels)` or `(features,)`.
        num_classes: number of logits.
        width: channels after the stem; at least `channels · stem²`.
        stem: block size of the stem, 1 for none.
        patch_depths: number of patch flows per resolution.
        units: neurons of the patch and dense flows: None for as many as the operator has inputs,
            `"half"` for half of them, or an integer.
        axial_depth: number of axial flows.
        axial_units: number of neurons of an axial flow, and numbers that a column is projected to.
        features: size of the feature vector.
        dense_depth: number of dense flows.
        activation: a non-decreasing activation, see `lipzoo.activations.known()`.
        gain: the flows apply `σ(gain · z) / gain`, which has the slopes of σ.
        train_gain: whether the gains are weights, one per neuron, that start at `gain`.
        head: `"orthogonal"` (orthonormal columns, so that all logits jointly are 1-Lipschitz) or
            `"unit_norm"`.
        normalization: None, or `{"mean": [...], "variance": [...]}` per channel or feature: the
            model then standardises its input first, a layer whose factor counts in the bound.
        include_top: False for the model without its head.
        name: name of the model.

    Returns:
        An ordinary functional `keras.Model` with logits (no softmax) as output. The bound holds for
        inputs of any range; radii are in the units of the input.

    Raises:
        ValueError: if an argument is out of range or the input's shape is not of rank 1, 2 or 3.

    Reference: arXiv 2510.22299.

    Example:

    >>> import lipzoo
    >>> model = GradFlowNet((8, 8, 1), 10, width=8, axial_units=8, features=16)
    >>> model.output_shape
    (None, 10)
    >>> lipzoo.lipschitz_bound(model).value <= 1.0
    True
    """
    input_shape = checked_shape(input_shape)
    sizes = {"width": width, "stem": stem, "axial_units": axial_units, "features": features}
    depths = {"axial_depth": axial_depth, "dense_depth": dense_depth}
    check_integers(sizes, minimum=1)
    check_integers(depths, minimum=0)
    check_neurons(units, "units")
    _validate(input_shape, num_classes, width, stem, patch_depths, features, head)
    flow = {"activation": activation, "gain": gain, "train_gain": train_gain}
    inputs = keras.Input(input_shape, name="input")
    x = standardize(inputs, normalization)
    rank = len(input_shape) - 1
    if rank:
        x = _stem(x, rank, stem, width, len(patch_depths))
        for stage, depth in enumerate(patch_depths, start=1):
            x = _patch_stage(x, rank, units, depth, flow, f"stage{stage}")
        x = _axial_stage(x, rank, axial_depth, axial_units, flow)
        x = _project_columns(x, rank, axial_units)
        x = keras.layers.Flatten(data_format=DATA_FORMAT, name="flatten")(x)
    to_features = Lift if x.shape[-1] <= features else SpectralDense
    x = to_features(features, name="to_features")(x)
    for i in range(1, dense_depth + 1):
        x = GradientFlowDense(units, **flow, name=f"dense_flow{i}")(x)
    if include_top:
        head_layer = SpectralDense if head == "orthogonal" else UnitNormDense
        x = head_layer(num_classes, name="head")(x)
    return keras.Model(inputs, x, name=name)


def _stem(x, rank, stem, width, resolutions):
    x = pixels_to_channels(x, stem, halvings=resolutions)
    return Lift(width, name="stem_lift")(x)


def _patch_stage(x, rank, units, depth, flow, name):
    for i in range(1, depth + 1):
        x = _FLOW[rank](
            units,
            kernel_size=2,
            strides=2,
            padding="circular",
            shift=(i - 1) % 2,
            **flow,
            name=f"{name}_flow{i}",
        )(x)
    return SpaceToDepth(2, name=f"{name}_space_to_depth")(x)


def _axial_stage(x, rank, depth, units, flow):
    spatial = x.shape[1:-1]
    for i in range(depth):
        axis = i % rank
        size = one_axis(spatial, axis)
        x = _FLOW[rank](
            units,
            kernel_size=size,
            strides=size,
            padding="circular",
            **flow,
            name=f"axial_flow{i + 1}_{_AXIS_NAMES[rank][axis]}",
        )(x)
    return x


def _project_columns(x, rank, units):
    length, channels = x.shape[1], x.shape[-1]
    if length * channels <= units:
        return x
    size = (length, *(1,) * (rank - 1))
    layer = _PROJECTION[rank](
        units, kernel_size=size, strides=size, padding="circular", name="axial_projection"
    )
    return layer(x)


def _validate(input_shape, num_classes, width, stem, patch_depths, features, head):
    check_classes(num_classes)
    check_choice(head, "head", HEADS)
    if num_classes > features:
        raise ValueError(
            "features must be at least num_classes. "
            f"Received: features={features}, num_classes={num_classes}"
        )
    needed = input_shape[-1] * stem ** (len(input_shape) - 1)
    if len(input_shape) > 1 and width < needed:
        raise ValueError(
            f"width must be at least channels · stem^d = {needed}. Received: width={width}"
        )
    is_sequence = isinstance(patch_depths, list | tuple)
    if not (is_sequence and all(isinstance(depth, int) and depth >= 0 for depth in patch_depths)):
        raise ValueError(
            "patch_depths must be a sequence of non-negative integers. "
            f"Received: patch_depths={patch_depths!r}"
        )
