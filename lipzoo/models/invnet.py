"""InvNet: reconstructions from measurements, with a proven bound from one to the other."""

import functools

import keras

from lipzoo.inverse import operators
from lipzoo.inverse.layers import DataStep, PlugAndPlay, SensitivityLift, Tikhonov
from lipzoo.layers import GradientFlowConv1D, GradientFlowConv2D, Lift, Project
from lipzoo.models.checking import check_integers, without_weights
from lipzoo.models.stages import DATA_FORMAT
from lipzoo.validation import check_bounds

_FLOW = {1: GradientFlowConv1D, 2: GradientFlowConv2D}
_CONVOLUTION = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D}


@without_weights
def InvNet(
    operator,
    *,
    alpha,
    steps=None,
    flows=2,
    width=16,
    filters=32,
    kernel_size=3,
    activation="relu",
    time=None,
    step_size=None,
    bounds=(0.0, 1.0),
    sensitivity=False,
    denoiser=None,
    averaging=0.5,
    contraction=1.0,
    tolerance=1e-5,
    max_steps=500,
    name="invnet",
):
    """Builds a network that reconstructs x from a measurement `y = Ax + noise`.

    It starts from Tikhonov's reconstruction `(AᵀA + αI)⁻¹Aᵀy`, lifted by zeros to `width` channels,
    and then takes in turn gradient flows on all channels, which are non-expansive, and gradient
    steps `x ← x - τAᵀ(Ax - y)` on the image's own channels:

        z₁ = G₁(lift(Tikhonov(y))),     z_k = G_k(z_{k-1} - τAᵀ(A z_{k-1} - y)),     x = P(z_K)

    P drops the lifted channels and projects onto the box `bounds`. Guarantee: with L₁ the proven
    norm of Tikhonov's map, at most `1 / (2√α)`, the map from y to x is Lipschitz with

        L_K² <= L₁² + (K - 1) τ / (2 - τ‖A‖²)

    where the triangle inequality gives `L₁ + (K - 1) τ‖A‖`; see
    `lipzoo.inverse.data_step_bound.data_step_bound`. So α chooses the stability: a larger one makes
    the reconstruction move less when the measurement does, before and after training.

    With a `denoiser`, one non-expansive model is plugged in instead of the learned flows, and the
    iteration runs from Tikhonov's reconstruction to its fixed point, see
    `lipzoo.inverse.PlugAndPlay`.

    Args:
        operator: the forward operator A, a `lipzoo.inverse.LinearOperator`, or
            `{"class_name": ..., "config": {...}}` of one of lipzoo's own.
        alpha: α, a positive number in the units of ‖A‖².
        steps: number K of blocks of flows, the first on Tikhonov's reconstruction and each other
            one after a data step; None for 6. With a denoiser: None for the fixed point, or a
            fixed number of steps.
        flows: gradient flows in a block.
        width: channels of the lifted image, at least the image's own.
        filters: neurons of a flow per pixel.
        kernel_size: size of the flows' kernels.
        activation: a non-decreasing activation, see `lipzoo.activations.known()`.
        time: integration time of a flow; None for the longest single step, see
            `lipzoo.layers.GradientFlowConv2D`.
        step_size: τ, in (0, 2/‖A‖²); None for `1/‖A‖²`.
        bounds: smallest and largest value of an image; None for no projection.
        sensitivity: whether the first lifted channels hold the sensitivity image Aᵀ𝟙 instead of
            zeros, see `lipzoo.inverse.SensitivityLift`; it tells the flows, which are the same at
            every pixel, which pixels are missing. The bound stays as it is.
        denoiser: None, or a `keras.Model` from images to images of proven bound 1; the arguments
            from `flows` to `time` and `sensitivity` are then of no use.
        averaging, contraction, tolerance, max_steps: of the iteration with a denoiser, see
            `lipzoo.inverse.PlugAndPlay`.
        name: name of the model.

    Returns:
        An ordinary functional `keras.Model` from measurements `(batch, *operator.output_shape)` to
        images `(batch, *operator.input_shape)`. It holds its operator and is saved with it.

    Raises:
        ValueError: if an argument is out of range, the operator's adjoint fails its test, or the
            denoiser does not fit.
        TypeError: if the operator is none.

    Reference: arXiv 2510.22299; unrolled gradient descent, arXiv 1704.00447.

    Example:

    >>> import lipzoo
    >>> scanner = lipzoo.inverse.Tomography(size=8, angles=4)
    >>> model = InvNet(scanner, alpha=0.01, steps=3, width=4, filters=8)
    >>> model.output_shape
    (None, 8, 8, 1)
    >>> lipzoo.lipschitz_bound(model).value < 5.2
    True
    """
    operator = _checked_operator(operator)
    if denoiser is not None:
        data, start = _measured(operator, alpha)
        iteration = PlugAndPlay(
            operator,
            denoiser,
            averaging,
            contraction,
            step_size,
            bounds,
            tolerance if steps is None else None,
            max_steps if steps is None else steps,
            name="plug_and_play",
        )
        return keras.Model(data, iteration([start, data]), name=name)

    check_integers({"filters": filters, "kernel_size": kernel_size}, minimum=1)
    flow = _FLOW[len(operator.input_shape) - 1]

    def block(x, part):
        return flow(filters, kernel_size, time=time, activation=activation, name=part)(x)

    return _unrolled(
        operator,
        alpha,
        block,
        "flow",
        steps=steps,
        flows=flows,
        width=width,
        step_size=step_size,
        bounds=bounds,
        sensitivity=sensitivity,
        name=name,
    )


@without_weights
def UnrolledNet(
    operator,
    *,
    alpha,
    steps=None,
    flows=2,
    width=16,
    filters=16,
    kernel_size=3,
    activation="relu",
    step_size=None,
    bounds=(0.0, 1.0),
    sensitivity=False,
    name="unrollednet",
):
    """Builds the network of `InvNet` without its constraints, to compare with.

    Residual blocks `z ↦ z + V σ(Wz + b)` with unrelated convolutions V and W take the place of the
    gradient flows; with half of InvNet's `filters` they have as many parameters. Nothing keeps the
    Lipschitz constant small: `lipzoo.lipschitz_bound` is a product of norms.

    Args:
        operator, alpha, steps, flows, width, kernel_size, step_size, bounds, sensitivity, name: as
            in `InvNet`.
        filters: neurons of a block per pixel.
        activation: what Keras' convolutions take.

    Returns:
        An ordinary functional `keras.Model` from measurements to images.

    Raises:
        ValueError: if an argument is out of range, or the operator's adjoint fails its test.
        TypeError: if the operator is none.

    Example:

    >>> import lipzoo
    >>> scanner = lipzoo.inverse.Tomography(size=8, angles=4)
    >>> UnrolledNet(scanner, alpha=0.01, steps=2, width=4, filters=4).output_shape
    (None, 8, 8, 1)
    """
    operator = _checked_operator(operator)
    check_integers({"filters": filters, "kernel_size": kernel_size}, minimum=1)
    convolution = functools.partial(
        _CONVOLUTION[len(operator.input_shape) - 1],
        kernel_size=kernel_size,
        padding="same",
        data_format=DATA_FORMAT,
    )

    def block(x, part):
        into = convolution(filters, activation=activation, name=f"{part}_in")
        out = convolution(width, kernel_initializer="zeros", name=f"{part}_out")
        return keras.layers.Add(name=f"{part}_add")([x, out(into(x))])

    return _unrolled(
        operator,
        alpha,
        block,
        "block",
        steps=steps,
        flows=flows,
        width=width,
        step_size=step_size,
        bounds=bounds,
        sensitivity=sensitivity,
        name=name,
    )


def _unrolled(
    operator,
    alpha,
    block,
    kind,
    *,
    steps,
    flows,
    width,
    step_size,
    bounds,
    sensitivity,
    name,
):
    """Blocks and data steps in turn, on the lifted image; `block(x, name)` is one of the blocks."""
    steps = 6 if steps is None else steps
    check_integers({"steps": steps, "flows": flows, "width": width}, minimum=1)
    box = None if bounds is None else check_bounds(bounds)
    data, start = _measured(operator, alpha)
    lift = (
        SensitivityLift(operator, width, name="lift") if sensitivity else Lift(width, name="lift")
    )
    x = lift(start)
    for k in range(1, steps + 1):
        if k > 1:
            x = DataStep(operator, step_size, name=f"step{k}_data")([x, data])
        for j in range(1, flows + 1):
            x = block(x, f"step{k}_{kind}{j}")
    x = Project(operator.input_shape[-1], name="project")(x)
    return keras.Model(data, x if box is None else keras.ops.clip(x, *box), name=name)


def _measured(operator, alpha):
    """The model's input, and Tikhonov's reconstruction of it."""
    data = keras.Input(operator.output_shape, name="measurement")
    return data, Tikhonov(operator, alpha, name="tikhonov")(data)


def _checked_operator(operator):
    operator = operators.get(operator)
    operators.check_adjoint(operator)
    if len(operator.input_shape) not in (2, 3):
        raise ValueError(
            "operator must act on images (height, width, channels) or signals (length, channels). "
            f"Received: operator={operator!r}"
        )
    return operator
