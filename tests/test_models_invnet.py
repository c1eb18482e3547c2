"""InvNet: its bound against what is true, its certificate against attacks, and its use in Keras."""

import math

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import InvNet, UnrolledNet, inverse
from lipzoo.evaluation import worst_movement
from tests import inverse_problems as problems
from tests.helpers import compile_fast, tensorflow_only
from tests.processes import fresh
from tests.truths import dense_jacobian, linear_operator


def _norms(images):
    return np.linalg.norm(np.asarray(images, "float64").reshape(len(images), -1), axis=1)


OPERATORS = {
    "blur": problems.blur(),
    "tomography": inverse.Tomography(6, 5),
    "mask": inverse.Mask.random((6, 6, 1), seed=1),
}
each_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


@each_operator
def test_no_jacobian_exceeds_the_bound(operator):
    model = problems.small_net(operator, bounds=None)
    bound = lipzoo.lipschitz_bound(model).value
    generator = np.random.default_rng(0)
    for scale in (0.1, 1.0, 10.0):
        point = (scale * generator.normal(size=operator.output_shape)).astype("float32")
        norm = np.linalg.norm(dense_jacobian(model, point), 2)
        assert norm <= bound * (1 + 1e-5)
    # Sharp enough to say something about this model.
    assert norm >= 0.2 * bound


@each_operator
def test_the_sensitivity_image_changes_the_network_and_not_its_bound(operator):
    plain = problems.small_net(operator)
    aware = problems.small_net(operator, sensitivity=True)
    assert lipzoo.lipschitz_bound(aware).value == lipzoo.lipschitz_bound(plain).value
    y = np.random.default_rng(0).normal(size=(2, *operator.output_shape)).astype("float32")
    difference = aware.predict(y, verbose=0) - plain.predict(y, verbose=0)
    assert np.abs(difference).max() > 1e-3
    norm = np.linalg.norm(dense_jacobian(aware, y[0]), 2)
    assert norm <= lipzoo.lipschitz_bound(aware).value * (1 + 1e-5)


@each_operator
def test_the_bound_is_the_closed_form(operator):
    alpha, steps, norm = 0.02, 4, operator.norm_bound
    model = problems.small_net(operator, alpha=alpha, steps=steps, step_size=1.3 / norm**2)
    s = np.linalg.svd(operator.matrix(), compute_uv=False)
    square = (s / (s**2 + alpha)).max() ** 2 + (steps - 1) * 1.3 / norm**2 / (2 - 1.3)
    bound = lipzoo.lipschitz_bound(model).value
    assert bound == pytest.approx(math.sqrt(square), rel=1e-6)
    naive = (s / (s**2 + alpha)).max() + (steps - 1) * 1.3 / norm
    assert bound < naive


@each_operator
def test_the_search_for_the_worst_measurement_ends_within_the_certificate(operator):
    model = problems.small_net(operator, bounds=(-5.0, 5.0))
    images = np.random.default_rng(0).uniform(size=(4, *operator.input_shape)).astype("float32")
    y = problems.measurements(operator, images)
    delta = np.array([0.0, 1e-3, 0.1, 1.0])
    certificate = lipzoo.certify_reconstruction(model, y, delta, verbose=0)
    found = worst_movement(model, y, delta, steps=15)
    assert (found.movement <= certificate.radius).all()
    # At a thousandth, the certificate is mostly about rounding.
    assert found.movement[1] >= 0.5e-3
    assert (found.movement[2:] >= 0.2 * certificate.radius[2:]).all()
    assert found.movement[0] == 0.0
    moved = _norms(found.measurements.astype("float64") - y.astype("float64"))
    assert (moved <= delta).all()
    assert str(found).startswith("4 reconstructions moved by")
    assert "4 reconstructions, each moves by at most" in str(certificate)


def test_the_search_finds_the_largest_singular_value_of_a_linear_map():
    operator = problems.blur()
    data = keras.Input(operator.output_shape)
    model = keras.Model(data, inverse.Tikhonov(operator, 0.02)(data))
    y = np.zeros((1, 16, 1), "float32")
    found = worst_movement(model, y, 1.0, steps=200).movement[0]
    s = np.linalg.svd(linear_operator(model, (16, 1)), compute_uv=False)
    assert found == pytest.approx(s[0], rel=1e-2)


def test_a_certificate_covers_what_float32_adds():
    model = problems.small_net(bounds=None)
    y = problems.measurements(problems.blur(), problems.signals())
    exact = lipzoo.certify_reconstruction(model, y, 0.0, rounding=False, verbose=0)
    rounded = lipzoo.certify_reconstruction(model, y, 0.0, verbose=0)
    assert (exact.radius == 0).all()
    precise = problems.small_net(bounds=None)
    weights = model.get_weights()
    with_float64 = keras.models.clone_model(
        precise,
        clone_function=lambda layer: layer.__class__.from_config(
            {**layer.get_config(), "dtype": "float64"}
        ),
    )
    with_float64.set_weights(weights)
    error = _norms(with_float64.predict(y.astype("float64"), verbose=0) - rounded.reconstruction)
    # The ball of radius e(y) + e(y) holds twice the error at y.
    assert (2 * error <= rounded.radius).all()
    assert (error > 0).any()
    assert (rounded.radius < 1e-2).all()
    assert rounded.root_mean_square == pytest.approx(rounded.radius / 4)


def test_fit_reduces_the_error_and_keeps_the_bound():
    operator = problems.blur()
    model = problems.small_net(operator)
    images = problems.signals(64)
    y = problems.measurements(operator, images)
    bound = lipzoo.lipschitz_bound(model).value
    metrics = [lipzoo.metrics.PeakSignalToNoiseRatio()]
    compile_fast(model, keras.optimizers.Adam(0.01), "mse", metrics=metrics)
    before = model.evaluate(y, images, verbose=0)
    model.fit(y, images, epochs=8, batch_size=16, verbose=0)
    after = model.evaluate(y, images, verbose=0)
    assert after[0] < 0.7 * before[0]
    assert after[1] > before[1]
    assert lipzoo.lipschitz_bound(model).value <= bound * (1 + 1e-6)


def test_a_noiseless_invertible_operator_is_inverted():
    operator = inverse.Blur((16, 1), [0.1, 0.8, 0.1], padding="circular")
    images = problems.signals()
    y = problems.measurements(operator, images, noise=0.0)
    model = InvNet(operator, alpha=1e-8, steps=2, width=2, filters=2, bounds=None)
    for layer in model.layers:
        if layer.name.startswith("step") and layer.weights:
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    np.testing.assert_allclose(model.predict(y, verbose=0), images, atol=1e-4)


def test_plug_and_play_inverts_too_when_its_denoiser_does_nothing():
    operator = inverse.Blur((16, 1), [0.1, 0.8, 0.1], padding="circular")
    images = problems.signals()
    y = problems.measurements(operator, images, noise=0.0)
    inputs = keras.Input((16, 1))
    identity = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    model = InvNet(operator, alpha=0.1, denoiser=identity, tolerance=1e-7, max_steps=2000)
    np.testing.assert_allclose(model.predict(y, verbose=0), images, atol=1e-4)


@tensorflow_only
def test_a_model_with_a_denoiser_has_its_certificate_where_it_contracts():
    operator = problems.blur()
    y = problems.measurements(operator, problems.signals())
    free = InvNet(operator, alpha=0.1, denoiser=problems.denoiser())
    with pytest.raises(lipzoo.UncertifiedLayerError, match="Give it contraction < 1"):
        lipzoo.certify_reconstruction(free, y, 0.1, verbose=0)
    model = InvNet(operator, alpha=0.1, denoiser=problems.denoiser(), contraction=0.8)
    certificate = lipzoo.certify_reconstruction(model, y, 0.1, verbose=0)
    found = worst_movement(model, y, 0.1, steps=10)
    assert (found.movement <= certificate.radius).all()
    fixed = InvNet(operator, alpha=0.1, denoiser=problems.denoiser(), steps=5)
    assert lipzoo.lipschitz_bound(fixed).value < lipzoo.lipschitz_bound(model).value + 5


def test_the_unconstrained_network_has_as_many_parameters_and_no_small_bound():
    operator = problems.blur()
    settings = {"alpha": 0.02, "steps": 3, "width": 8, "flows": 1}
    free = problems.randomised(UnrolledNet(operator, filters=6, **settings))
    net = problems.small_net(operator, filters=12, width=8)
    assert free.count_params() == pytest.approx(net.count_params(), rel=0.1)
    y = problems.measurements(operator, problems.signals())
    assert free.predict(y, verbose=0).shape == net.predict(y, verbose=0).shape
    assert lipzoo.lipschitz_bound(free).value > 2 * lipzoo.lipschitz_bound(net).value


_RELOAD = """
import sys
import keras, lipzoo, numpy as np
for name in ("unrolled", "plugged"):
    model = keras.models.load_model(f"{name}.keras")
    y = np.load("y.npy")
    np.save(f"{name}.npy", model.predict(y, verbose=0))
    print(repr(lipzoo.lipschitz_bound(model).value))
"""


def test_a_saved_model_brings_its_operator_into_a_fresh_process(tmp_path):
    operator = problems.blur()
    y = problems.measurements(operator, problems.signals())
    np.save(tmp_path / "y.npy", y)
    models = {
        "unrolled": problems.small_net(operator),
        "plugged": InvNet(operator, alpha=0.1, denoiser=problems.denoiser(), contraction=0.9),
    }
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
    printed = fresh(_RELOAD, cwd=tmp_path)
    for (name, model), bound in zip(models.items(), printed.split(), strict=True):
        np.testing.assert_array_equal(
            np.load(tmp_path / f"{name}.npy"), model.predict(y, verbose=0)
        )
        assert float(bound) == lipzoo.lipschitz_bound(model).value


def test_a_configuration_names_its_operator():
    operator = inverse.operators.get(inverse.operators.serialize(problems.blur()))
    assert operator == problems.blur()
    with pytest.raises(ValueError, match=r"unknown class_name 'Tomographie'.*'Tomography'"):
        InvNet({"class_name": "Tomographie", "config": {}}, alpha=0.1)
    with pytest.raises(ValueError, match="Tomography takes other arguments"):
        InvNet({"class_name": "Tomography", "config": {"sise": 4}}, alpha=0.1)
    with pytest.raises(TypeError, match="operator must be a lipzoo"):
        InvNet("Tomography", alpha=0.1)


class _Skewed(inverse.Matrix):
    def adjoint(self, y):
        return 2.0 * super().adjoint(y)


def test_an_operator_with_a_wrong_adjoint_is_refused():
    with pytest.raises(ValueError, match="expected adjoint to be the transpose of apply"):
        InvNet(_Skewed(np.eye(4), (4, 1), (4, 1)), alpha=0.1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": 0.0}, "alpha must be a positive"),
        ({"alpha": -1.0}, "alpha must be a positive"),
        ({"steps": 0}, "steps must be a positive integer"),
        ({"flows": 0}, "flows must be a positive integer"),
        ({"step_size": 2.5}, "step_size must lie in"),
        ({"width": 0}, "width must be a positive integer"),
        ({"bounds": (1.0, 0.0)}, "bounds must be"),
        ({"bounds": 5}, "bounds must be"),
        ({"bounds": ("0", "1")}, "bounds must be"),
        ({"activation": "gelu"}, "non-decreasing activation"),
        ({"time": 1e6}, "need at most 1000 steps"),
    ],
)
def test_arguments_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        InvNet(problems.blur(), **{"alpha": 0.1, "steps": 2, **wrong})


@pytest.mark.parametrize("noise_norm", [-1.0, np.nan, np.inf, "much", [0.1, 0.2], None])
def test_noise_norms_out_of_range_are_refused(noise_norm):
    y = problems.measurements(problems.blur(), problems.signals(3))
    with pytest.raises(ValueError, match="noise_norm must be a finite number"):
        lipzoo.certify_reconstruction(problems.small_net(), y, noise_norm, verbose=0)


def test_measurements_that_do_not_fit_are_refused():
    model = problems.small_net()
    y = problems.measurements(problems.blur(), problems.signals(3))
    with pytest.raises(ValueError, match="Expected x of shape"):
        lipzoo.certify_reconstruction(model, y[:, :-1], 0.1)
    with pytest.raises(ValueError, match="steps must be a positive integer"):
        worst_movement(model, y, 0.1, steps=0)
    y[0, 0] = np.nan
    for refuses in (lipzoo.certify_reconstruction, worst_movement):
        with pytest.raises(ValueError, match="Expected finite values"):
            refuses(model, y, 0.1)
    with pytest.raises(TypeError, match=r"Expected a keras\.Model"):
        lipzoo.certify_reconstruction("model", y, 0.1)


def test_lifted_channels_take_no_contraction_from_an_injective_operator():
    # Two reflections carry a perturbation out of the image's channel and back onto the data's.
    operator = inverse.Matrix(np.eye(4), (4, 1), (4, 1))
    settings = {"steps": 2, "flows": 1, "width": 2, "filters": 1, "kernel_size": 1}
    model = InvNet(operator, alpha=1e-3, bounds=None, **settings)
    swap = np.array([1.0, -1.0]) / np.sqrt(2)
    turn = np.array([1.0, 1.0]) / np.sqrt(2) - np.array([1.0, 0.0])
    for name, row in {"step1_flow1": swap, "step2_flow1": turn}.items():
        kernel = (row / np.linalg.norm(row)).reshape(1, 2, 1) * (1 - 1e-6)
        model.get_layer(name).set_weights([kernel, np.array([20.0])])
    y = np.full((2, 4, 1), 0.3, "float32")
    certificate = lipzoo.certify_reconstruction(model, y, 0.5, verbose=0)
    found = worst_movement(model, y, 0.5).movement
    assert (found <= certificate.radius).all()
    assert (found > 0.7).all()


def test_a_box_away_from_zero_counts_in_the_rounding():
    inputs = keras.Input((2, 1))
    identity = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    operator = inverse.Matrix([[1.0, -1.0]], (2, 1))
    model = InvNet(operator, alpha=1.0, denoiser=identity, steps=3, bounds=(1000.0, 2000.0))
    y = np.linspace(0.01, 0.02, 501, dtype="float32")[:, None]
    certificate = lipzoo.certify_reconstruction(model, y, 1e-6, verbose=0)
    moved = _norms(model.predict(y + np.float32(1e-6), verbose=0) - certificate.reconstruction)
    assert (moved <= certificate.radius).all()
    assert lipzoo.lipschitz_bound(model).output.bound.rounding_offset > 1e-6


def test_a_stopped_iteration_is_not_certified_in_exact_arithmetic():
    y = problems.measurements(problems.blur(), problems.signals(3))
    model = InvNet(problems.blur(), alpha=0.1, denoiser=problems.denoiser(), contraction=0.9)
    with pytest.raises(ValueError, match="stops before its fixed point"):
        lipzoo.certify_reconstruction(model, y, 0.1, rounding=False, verbose=0)


class _Quiet(inverse.Blur):
    def apply(self, x):
        return 0.5 * super().apply(x)

    def adjoint(self, y):
        return 0.5 * super().adjoint(y)


def test_an_operator_that_computes_something_else_has_no_bound():
    quiet = _Quiet((16, 1), [0.25, 0.5, 0.25])
    with pytest.raises(lipzoo.UncertifiedLayerError, match="replaces apply, adjoint"):
        lipzoo.lipschitz_bound(InvNet(quiet, alpha=0.1, steps=2))
    operator = problems.blur()
    model = InvNet(operator, alpha=0.1, steps=2)
    operator.apply = lambda x: 7.0 * x
    with pytest.raises(lipzoo.UncertifiedLayerError, match="replaces apply"):
        lipzoo.lipschitz_bound(model)
    for array in (problems.blur().kernel, inverse.Mask.random((4, 1)).mask):
        with pytest.raises(ValueError, match="read-only"):
            array *= 7


def test_overflow_is_an_error_and_not_a_certificate():
    y = np.full((1, 16, 1), 3e38, "float32")
    with pytest.raises(ValueError, match="overflows"):
        lipzoo.certify_reconstruction(problems.small_net(bounds=None), y, 0.1, verbose=0)


@each_operator
def test_operators_cast_integers_and_refuse_other_shapes(operator):
    images = np.arange(operator.inputs).reshape(1, *operator.input_shape) % 7
    expected = images.reshape(1, -1) @ operator.matrix().T
    result = keras.ops.convert_to_numpy(operator.apply(images.astype("uint8")))
    np.testing.assert_allclose(result.reshape(1, -1), expected, atol=1e-4)
    with pytest.raises(ValueError, match=r"Expected a batch of shape.*Received"):
        operator.apply(images[0])
