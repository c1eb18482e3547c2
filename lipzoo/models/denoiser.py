"""Denoiser: images with less noise, by a map that never moves two images apart."""

import math

import keras

from lipzoo.constraints import SpectralBound
from lipzoo.layers import DepthToSpace, GradientFlowConv2D, Lift, Project
from lipzoo.models.checking import check_integers, checked_shape, without_weights
from lipzoo.models.stages import DATA_FORMAT, pixels_to_channels
from lipzoo.validation import check_bounds

# Grey, which zeros around an image then are.
_MIDDLE = 0.5
# A flow starts as a step that takes so much of what lies within the thresholds.
_FIRST_SLOPE = 0.3


@without_weights
def Denoiser(
    input_shape,
    *,
    stem=2,
    width=8,
    depth=8,
    filters=72,
    kernel_size=3,
    activation="hard_tanh",
    gain=32.0,
    train_gain=True,
    bounds=(0.0, 1.0),
    name="denoiser",
):
    """Builds a 1-Lipschitz map from noisy images to images, for images of every size.

    Blocks of `stem × stem` pixels become channels, zero channels are appended, and on these act
    gradient flows

        x ← x - 2 Aᵀσ_c(Ax + b),      σ_c(z) = hard_tanh(cz) / c = clip(z, -1/c, 1/c)

    with zero-padded convolutions A, ‖A‖ <= 1, biases b and one gain c per filter, all of them
    learned. A flow takes away from an image what its filters see of it, up to the thresholds 1/c:
    a shrinkage of the coefficients in a frame, and a column of A of norm √s takes the share 2s of
    them. At the end the lifted channels are dropped, blocks of pixels come back, and the image is
    projected onto the box `bounds`.

    Guarantee: 1-Lipschitz in the Euclidean norm, for images of every size and range, before and
    after training: every flow is non-expansive (`lipzoo.layers.GradientFlowConv2D`), everything
    else an isometry or a projection.

    The same weights serve images of every size: `lipzoo.load(folder, input_shape=(321, 481,
    1))`. Sizes that the stem does not divide are padded by zeros and cropped again.

    Args:
        input_shape: `(height, width, channels)`.
        stem: block size of the stem, 1 for none.
        width: channels after the stem, at least `channels · stem²`.
        depth: number of flows.
        filters: filters of a flow.
        kernel_size: size of the flows' kernels, in blocks of pixels.
        activation: a non-decreasing activation, see `lipzoo.activations.known()`.
        gain: the gains at first.
        train_gain: whether the gains are weights, one per filter, that start at `gain`.
        bounds: smallest and largest value of an image; None for no projection.
        name: name of the model.

    Returns:
        An ordinary functional `keras.Model` from images to images.

    Raises:
        ValueError: if an argument is out of range or the input's shape is not that of images.

    Reference: shrinkage in frames and non-expansive denoisers, arXiv 2006.08789 and 2210.16222.

    Example:

    >>> import lipzoo
    >>> model = Denoiser((9, 6, 1), width=4, depth=2, filters=8)
    >>> model.output_shape
    (None, 9, 6, 1)
    >>> lipzoo.lipschitz_bound(model).value <= 1.0
    True
    """
    input_shape = checked_shape(input_shape)
    if len(input_shape) != 3:
        raise ValueError(
            f"input_shape must be (height, width, channels). Received: input_shape={input_shape}"
        )
    sizes = {"stem": stem, "width": width, "filters": filters, "kernel_size": kernel_size}
    check_integers(sizes, minimum=1)
    check_integers({"depth": depth}, minimum=1)
    box = None if bounds is None else check_bounds(bounds)
    # The norm of A is that of the kernel's matrix times its size, if the matrix is orthogonal.
    first = keras.initializers.Orthogonal(gain=math.sqrt(_FIRST_SLOPE) / kernel_size)
    inputs = keras.Input(input_shape, name="input")
    x = keras.layers.Rescaling(1.0, offset=-_MIDDLE, name="centre")(inputs)
    x = pixels_to_channels(x, stem, 0)
    channels = x.shape[-1]
    x = Lift(width, name="lift")(x)
    for i in range(1, depth + 1):
        x = GradientFlowConv2D(
            filters,
            kernel_size,
            activation=activation,
            gain=gain,
            train_gain=train_gain,
            kernel_initializer=first,
            # Slopes are the norms of columns, which an orthogonal constraint would make equal.
            kernel_constraint=SpectralBound(1.0, method="scale"),
            name=f"flow{i}",
        )(x)
    x = Project(channels, name="project")(x)
    if stem > 1:
        x = DepthToSpace(stem, name="depth_to_space")(x)
    x = _cropped(x, input_shape)
    x = keras.layers.Rescaling(1.0, offset=_MIDDLE, name="uncentre")(x)
    return keras.Model(inputs, x if box is None else keras.ops.clip(x, *box), name=name)


def _cropped(x, input_shape):
    """Takes away what was padded around the image."""
    extra = [size - wanted for size, wanted in zip(x.shape[1:-1], input_shape[:-1], strict=True)]
    if not any(extra):
        return x
    margins = tuple((gap // 2, gap - gap // 2) for gap in extra)
    return keras.layers.Cropping2D(margins, data_format=DATA_FORMAT, name="crop")(x)
