"""Layers with an operator: what they compute, how far they carry a perturbation."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import inverse
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.inverse import DataStep, MonotoneDataStep, PlugAndPlay, SensitivityLift, Tikhonov
from tests import inverse_problems as problems
from tests.truths import dense_jacobian


def _flat(array):
    return keras.ops.convert_to_numpy(array).reshape(len(array), -1)


OPERATORS = {
    "blur": problems.blur(),
    "circular blur": problems.blur(padding="circular"),
    "valid blur": problems.blur(padding="valid"),
    "tomography": inverse.Tomography(6, 5),
    "mask": inverse.Mask.random((5, 5, 2), seed=1),
    "matrix": inverse.Matrix(np.random.default_rng(0).normal(size=(7, 12)), (6, 2), (7,)),
}
each_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


@each_operator
def test_tikhonov_is_the_closed_form(operator):
    y = np.random.default_rng(1).normal(size=(3, *operator.output_shape)).astype("float32")
    matrix = operator.matrix()
    gram = matrix.T @ matrix + 0.05 * np.eye(operator.inputs)
    expected = np.linalg.solve(gram, matrix.T @ y.reshape(3, -1).T.astype("float64")).T
    result = _flat(Tikhonov(operator, 0.05)(y))
    np.testing.assert_allclose(result, expected, atol=1e-5 * np.abs(expected).max())


@each_operator
def test_tikhonov_is_bounded_by_its_largest_filter(operator):
    layer = Tikhonov(operator, 0.05)
    s = np.linalg.svd(operator.matrix(), compute_uv=False)
    bound = layer.lipschitz_bound((None, *operator.output_shape)).value
    assert 0 <= bound / (s / (s**2 + 0.05)).max() - 1 < 1e-6


@each_operator
def test_a_data_step_is_the_gradient_step_and_keeps_the_other_channels(operator):
    generator = np.random.default_rng(2)
    *spatial, channels = operator.input_shape
    state = generator.normal(size=(2, *spatial, channels + 3)).astype("float32")
    y = generator.normal(size=(2, *operator.output_shape)).astype("float32")
    layer = DataStep(operator)
    result = keras.ops.convert_to_numpy(layer([state, y]))
    matrix, x = operator.matrix(), _flat(state[..., :channels]).astype("float64")
    expected = x - layer.step_size * (x @ matrix.T - _flat(y)) @ matrix
    np.testing.assert_allclose(_flat(result[..., :channels]), expected, atol=1e-5)
    np.testing.assert_array_equal(result[..., channels:], state[..., channels:])


@each_operator
@pytest.mark.parametrize("share", [0.3, 1.0, 1.9])
def test_the_joint_bound_of_a_data_step_is_its_norm(operator, share):
    matrix = operator.matrix()
    tau = share / np.linalg.norm(matrix, 2) ** 2
    joint = np.hstack([np.eye(operator.inputs) - tau * matrix.T @ matrix, tau * matrix.T])
    shapes = [(None, *operator.input_shape), (None, *operator.output_shape)]
    bound = DataStep(operator, tau * (1 - 1e-9)).lipschitz_bound(shapes).value
    exact = np.linalg.norm(joint, 2)
    # The bound knows the largest singular value only, and that the smallest may be 0.
    assert exact <= bound * (1 + 1e-6)
    assert bound <= max(1.0, exact) * (1 + 1e-6)


def test_rounding_of_a_data_step_stays_below_its_bound():
    for operator in OPERATORS.values():
        generator = np.random.default_rng(3)
        state = generator.normal(size=(20, *operator.input_shape)).astype("float32")
        y = generator.normal(size=(20, *operator.output_shape)).astype("float32")
        layer = DataStep(operator)
        exact = DataStep(operator, dtype="float64")([state.astype("float64"), y.astype("float64")])
        error = np.linalg.norm(_flat(layer([state, y])) - _flat(exact), axis=1)
        # Both inputs as one vector, without an error of their own.
        identity = LayerBound.exact(1.0, "input")
        bound = layer.bound_from([state.shape, y.shape], [identity, identity])
        size = np.hypot(*(np.linalg.norm(_flat(v), axis=1) for v in (state, y)))
        assert (error <= bound.rounding_slope * size + bound.rounding_offset).all()
        assert bound.rounding_slope < 1e-3


@pytest.mark.parametrize("step_size", [0.0, -1.0, 2.0, 2.5, np.nan, np.inf, "1", True])
def test_step_sizes_outside_of_the_interval_are_refused(step_size):
    with pytest.raises(ValueError, match=r"step_size must lie in \(0, 2/‖A‖²\).*Received"):
        DataStep(inverse.Matrix(np.eye(3)), step_size)


@pytest.mark.parametrize("alpha", [0.0, -1e-3, np.nan, np.inf, None, "0.1", True])
def test_alphas_that_are_not_positive_are_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be a positive finite number"):
        Tikhonov(inverse.Matrix(np.eye(3)), alpha)


def test_shapes_that_do_not_fit_the_operator_are_refused():
    operator = problems.blur()
    with pytest.raises(ValueError, match="expects measurements of shape"):
        Tikhonov(operator, 0.1)(np.zeros((1, 15, 1)))
    with pytest.raises(ValueError, match="expects a state of shape"):
        DataStep(operator)([np.zeros((1, 15, 1)), np.zeros((1, 16, 1))])
    with pytest.raises(ValueError, match="operator must be a lipzoo"):
        DataStep("blur")


def test_a_monotone_step_is_non_expansive_in_the_state():
    operator = problems.blur()
    layer = MonotoneDataStep(operator, gain=2.0, step_size=1.9)
    generator = np.random.default_rng(4)
    for scale in (0.1, 1.0, 10.0):
        point = (scale * generator.normal(size=operator.input_shape)).astype("float32")
        y = generator.normal(size=(1, *operator.output_shape)).astype("float32")
        jacobian = dense_jacobian(
            lambda x, y=y: layer([x, keras.ops.repeat(y, x.shape[0], axis=0)]), point
        )
        assert np.linalg.norm(jacobian, 2) <= 1 + 1e-5


def test_a_monotone_step_with_a_saturated_detector_adds_by_the_triangle_inequality():
    # Where the activation is flat, state and data move together: the sum of squares is exceeded.
    layer = MonotoneDataStep(inverse.Matrix([[1.0]]), gain=1.0, step_size=1.0)
    before = float(layer([np.array([[5.0]]), np.array([[0.0]])])[0, 0])
    after = float(layer([np.array([[6.0]]), np.array([[1.0]])])[0, 0])
    identity = LayerBound.exact(1.0, "input")
    bound = layer.bound_from([(None, 1), (None, 1)], [identity, identity]).value
    assert after - before == pytest.approx(2.0)
    assert bound == pytest.approx(2.0)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("contraction", [0.5, 0.9])
@pytest.mark.parametrize("padding", ["same", "circular"])
def test_plug_and_play_ends_at_its_fixed_point(contraction, padding):
    operator = problems.blur(padding=padding)
    layer = PlugAndPlay(
        operator,
        problems.denoiser(dtype="float64"),
        contraction=contraction,
        bounds=(-2.0, 2.0),
        tolerance=1e-7,
        max_steps=5000,
        dtype="float64",
    )
    y = problems.measurements(operator, problems.signals()).astype("float64")
    image, moved, steps = layer.iterate([keras.ops.convert_to_tensor(y)] * 2)
    assert (keras.ops.convert_to_numpy(moved) <= 1e-7).all()
    assert (keras.ops.convert_to_numpy(steps) < 5000).all()
    again, _, _ = layer.iterate([image * 0.0, keras.ops.convert_to_tensor(y)])
    assert np.abs(keras.ops.convert_to_numpy(image - again)).max() <= 1e-6
    once = PlugAndPlay(
        operator,
        layer.denoiser,
        contraction=contraction,
        bounds=(-2.0, 2.0),
        tolerance=None,
        max_steps=1,
        dtype="float64",
    )
    assert np.abs(keras.ops.convert_to_numpy(once([image, y]) - image)).max() <= 1e-6


@pytest.mark.usefixtures("float64")
def test_an_averaged_iteration_converges_without_contraction():
    operator = problems.blur()
    layer = PlugAndPlay(
        operator,
        problems.denoiser(dtype="float64"),
        tolerance=1e-7,
        max_steps=20000,
        dtype="float64",
    )
    y = problems.measurements(operator, problems.signals()).astype("float64")
    _, moved, _ = layer.iterate([keras.ops.convert_to_tensor(y)] * 2)
    assert (keras.ops.convert_to_numpy(moved) <= 1e-7).all()


def test_every_example_stops_on_its_own():
    operator = problems.blur()
    layer = PlugAndPlay(operator, problems.denoiser(), contraction=0.9, tolerance=1e-4)
    y = problems.measurements(operator, problems.signals())
    together = keras.ops.convert_to_numpy(layer([y, y]))
    for i in range(len(y)):
        alone = keras.ops.convert_to_numpy(layer([y[i : i + 1], y[i : i + 1]]))
        np.testing.assert_allclose(together[i : i + 1], alone, atol=2e-6)


@pytest.mark.usefixtures("float64")
def test_fixed_points_move_within_the_bound():
    operator = problems.blur()
    layer = PlugAndPlay(
        operator,
        problems.denoiser(dtype="float64"),
        contraction=0.8,
        tolerance=1e-9,
        max_steps=5000,
        bounds=(-5.0, 5.0),
        dtype="float64",
    )
    shapes = [(None, 16, 1)] * 2
    bound = layer.lipschitz_bound(shapes)
    y = problems.measurements(operator, problems.signals(40)).astype("float64")
    # The direction that the operator lets through best.
    direction = np.linalg.svd(operator.matrix())[0][:, 0].reshape(1, 16, 1)
    other = y + 1e-3 * direction
    moved = np.linalg.norm(_flat(layer([y, y])) - _flat(layer([y, other])), axis=1)
    assert moved.max() <= bound.value * 1e-3 + 2 * bound.rounding_offset
    assert moved.max() >= 0.2 * bound.value * 1e-3


@pytest.mark.usefixtures("float64")
def test_stopping_early_is_an_error_that_the_bound_states():
    operator, model = problems.blur(), problems.denoiser(dtype="float64")
    settings = {"contraction": 0.8, "bounds": (-5.0, 5.0), "dtype": "float64"}
    exact = PlugAndPlay(operator, model, tolerance=1e-11, max_steps=5000, **settings)
    y = problems.measurements(operator, problems.signals(20)).astype("float64")
    truth = _flat(exact([y, y]))
    for stop in ({"tolerance": 0.03}, {"tolerance": 1e-9, "max_steps": 8}):
        layer = PlugAndPlay(operator, model, **settings, **stop)
        error = np.linalg.norm(_flat(layer([y, y])) - truth, axis=1).max()
        stated = layer.lipschitz_bound([(None, 16, 1)] * 2).rounding_offset
        assert 1e-4 < error <= stated


def test_without_contraction_there_is_no_certificate_but_one_of_a_fixed_number_of_steps():
    operator, model = problems.blur(), problems.denoiser()
    shapes = [(None, 16, 1)] * 2
    with pytest.raises(lipzoo.UncertifiedLayerError, match="no finite Lipschitz bound"):
        PlugAndPlay(operator, model).lipschitz_bound(shapes)
    layer = PlugAndPlay(operator, model, tolerance=None, max_steps=10)
    start = LayerBound.exact(0.0, "zero")
    bound = layer.bound_from(shapes, [start, LayerBound.exact(1.0, "input")])
    # Ten steps of size τ = 1/‖A‖² from a fixed start: √(10 / ‖A‖²), times the averaged bound.
    assert bound.value <= np.sqrt(10) / operator.norm_bound * (1 + 1e-9)


def test_what_plug_and_play_refuses():
    operator, model = problems.blur(), problems.denoiser()
    for wrong in (
        {"averaging": 1.0},
        {"averaging": 0.0},
        {"contraction": 1.1},
        {"contraction": 0.0},
        {"tolerance": 0.0},
        {"tolerance": -1.0},
        {"max_steps": 0},
        {"max_steps": 2.5},
        {"bounds": (1.0, 0.0)},
        {"bounds": None},
        {"bounds": (0.0, np.inf)},
        {"step_size": 3.0},
    ):
        with pytest.raises(ValueError, match="Received"):
            PlugAndPlay(operator, model, **wrong)
    with pytest.raises(ValueError, match="must be non-expansive"):
        PlugAndPlay(operator, problems.denoiser(scale=2.0))
    with pytest.raises(ValueError, match="must take and return images of shape"):
        PlugAndPlay(operator, problems.denoiser((12, 1)))
    with pytest.raises(ValueError, match=r"must be a keras\.Model"):
        PlugAndPlay(operator, lambda x: x)


def test_a_denoiser_that_was_changed_loses_the_certificate():
    model = problems.denoiser()
    layer = PlugAndPlay(problems.blur(), model, contraction=0.9)
    shapes = [(None, 16, 1)] * 2
    before = layer.lipschitz_bound(shapes).value
    model.set_weights([2.0 * weight for weight in model.get_weights()])
    with pytest.raises(lipzoo.UncertifiedLayerError, match="no finite Lipschitz bound"):
        layer.lipschitz_bound(shapes)
    lipzoo.project(model)
    assert layer.lipschitz_bound(shapes).value <= before * (1 + 1e-9)


@each_operator
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_a_sensitivity_lift_is_an_isometry_plus_a_constant(operator, dtype):
    channels = operator.input_shape[-1]
    lift = SensitivityLift(operator, 2 * channels + 1, dtype=dtype)
    images = np.random.default_rng(5).normal(size=(2, *operator.input_shape))
    images = keras.ops.cast(images, dtype)
    result = keras.ops.convert_to_numpy(keras.ops.cast(lift(images), "float64"))
    np.testing.assert_array_equal(
        result[..., :channels], keras.ops.convert_to_numpy(keras.ops.cast(images, "float64"))
    )
    expected = (np.ones(operator.outputs) @ operator.matrix()).reshape(operator.input_shape)
    expected = expected / np.abs(expected).max()
    bound = lift.lipschitz_bound((None, *operator.input_shape))
    # 1e-6: the sensitivity is computed in float32, once, and is what it is from then on.
    assert bound.offset == pytest.approx(np.linalg.norm(expected), rel=1e-6)
    for constant in result[..., channels:-1]:
        error = np.linalg.norm(constant - lift.sensitivity)
        assert error <= bound.rounding_offset
        np.testing.assert_allclose(lift.sensitivity, expected, atol=1e-6)
    assert (result[..., -1] == 0).all()
    assert (bound.value, bound.rounding_slope) == (1.0, 0.0)


def test_a_sensitivity_lift_wants_room_and_images_of_its_operator():
    mask = inverse.Mask.random((4, 4, 1))
    with pytest.raises(ValueError, match=r"channels must be at least 2.*Received: channels=1"):
        SensitivityLift(mask, 1)
    with pytest.raises(ValueError, match=r"images of shape .*Received: \(2, 4, 5, 1\)"):
        SensitivityLift(mask, 3)(np.zeros((2, 4, 5, 1), "float32"))
