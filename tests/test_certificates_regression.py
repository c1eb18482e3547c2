"""Certified intervals: against closed forms, moves in all directions, and rounding itself."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.autodiff.input_gradients import value_and_input_gradient
from tests.helpers import half_precision
from tests.truths import randomise_freely

layers = keras.layers
MEAN, DEVIATION = np.array([1.0, -40.0, 0.3]), np.array([0.5, 10.0, 0.02])


def certify(model, x, radius, **settings):
    return lipzoo.certify_regression(model, x, radius, verbose=0, **settings)


def examples(count=30, features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, features)).astype("float32")


def linear(outputs=2, *before):
    model = keras.Sequential([keras.Input((3,)), *before, layers.Dense(outputs)])
    return randomise_freely(model) if not before else model


def standardised(outputs=2):
    model = linear(outputs, layers.Normalization(mean=MEAN, variance=DEVIATION**2))
    randomise_freely(model.layers[-1])
    return model, (MEAN + DEVIATION * examples()).astype("float32")


def chain():
    inputs = keras.Input((3,))
    x = layers.Dense(16, activation="relu")(layers.Dense(16, activation="tanh")(inputs))
    return randomise_freely(keras.Model(inputs, layers.Dense(2)(x)), scale=0.6)


def branches():
    inputs = keras.Input((3,))
    x = layers.Dense(8, activation="relu")(inputs)
    x = layers.Add()([layers.Dense(8)(x), x])
    return randomise_freely(keras.Model(inputs, layers.Dense(2)(x)), scale=0.6)


def rescaled():
    inputs = keras.Input((3,))
    x = layers.Dense(2)(layers.Dense(8, activation="relu")(inputs))
    model = keras.Model(inputs, layers.Rescaling(30.0, offset=100.0)(x))
    return randomise_freely(model, scale=0.6)


def shares():
    return keras.Sequential([chain(), layers.Activation("sigmoid")])


@pytest.mark.parametrize("method", ["product", "semidefinite"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_linear_model_has_the_interval_that_is_attained(method, outputs):
    model, x = linear(outputs), examples()
    kernel = model.get_weights()[0].astype("float64")
    radius = np.linspace(0.0, 2.0, len(x))
    certificate = certify(model, x, radius, rounding=False, method=method)
    norms = np.linalg.norm(kernel, axis=0)
    np.testing.assert_allclose(certificate.slopes, norms, rtol=1e-6)
    np.testing.assert_allclose(certificate.width / 2, np.outer(radius, norms), rtol=1e-6, atol=1e-9)
    # The ends are reached along the columns.
    for j in range(outputs):
        for sign, end in ((1, certificate.upper), (-1, certificate.lower)):
            moved = x @ kernel[:, j] + sign * radius * norms[j] + model.get_weights()[1][j]
            np.testing.assert_allclose(moved, end[:, j], rtol=1e-5, atol=1e-5)
    # Rounding costs little.
    rounded = certify(model, x, radius, method=method)
    assert np.all(rounded.width >= certificate.width)
    np.testing.assert_allclose(rounded.width, certificate.width, atol=1e-4)


def test_standard_deviations_and_single_features():
    model, x = standardised()
    kernel, bias = (w.astype("float64") for w in model.layers[-1].get_weights())
    certificate = certify(model, x, 0.5, standardized=True)
    np.testing.assert_allclose(certificate.slopes, np.linalg.norm(kernel, axis=0), rtol=1e-6)
    names = ["feature 0", "feature 1", "feature 2"]
    assert list(certificate.feature_radii) == names
    for i, radii in enumerate(certificate.feature_radii.values()):
        np.testing.assert_allclose(radii, 0.5 * DEVIATION[i], rtol=1e-6)
        for sign in (-1, 1):
            moved = x.astype("float64")
            moved[:, i] += sign * radii
            assert certificate.contains((moved - MEAN) / DEVIATION @ kernel + bias).all()
    sup = certificate.in_norm("linf")
    np.testing.assert_allclose(sup.radius, 0.5 / np.sqrt(3), rtol=1e-12)
    assert np.array_equal(sup.feature_radii["feature 1"], certificate.feature_radii["feature 1"])
    assert "standard deviations" in str(certificate)
    # In the units of x, ellipsoids know what products do not: features of unlike scales.
    exact = np.linalg.norm(kernel / DEVIATION[:, None], axis=0)
    sharp = certify(model, x, 0.01, method="semidefinite")
    np.testing.assert_allclose(sharp.slopes, exact, rtol=1e-4)
    assert np.all(certify(model, x, 0.01).slopes > 1.05 * exact)
    assert sharp.feature_radii == {}


@pytest.mark.parametrize("build", [chain, branches, rescaled, shares])
def test_no_move_within_the_radius_leaves_the_interval(build):
    model, x, random = build(), examples(20), np.random.default_rng(1)
    radius = random.uniform(0.01, 1.0, len(x))
    certificate = certify(model, x, radius)
    sharp = certify(model, x, radius, method="semidefinite")
    assert np.all(sharp.width <= certificate.width * (1 + 1e-9))
    gradient = value_and_input_gradient(
        lambda z, c: keras.ops.sum(c * model(z), axis=-1), model.variables
    )
    inputs, within = [], []
    # Up and down along each output's gradients, and anywhere.
    for up in (*np.eye(2), *-np.eye(2), None):
        moved = x
        for _ in range(4):
            direction = random.normal(size=x.shape)
            if up is not None:
                direction = gradient(moved, np.tile(up, (len(x), 1)).astype("float32"))[1]
            direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
            moved = (x + 0.999999 * radius[:, None] * direction).astype("float32")
            inputs.append(moved)
            within.append(np.linalg.norm(moved.astype("float64") - x, axis=1) <= radius)
    outputs = model.predict(np.concatenate(inputs), verbose=0).reshape(
        len(inputs), *sharp.width.shape
    )
    assert np.mean(within) > 0.9
    for found, inside in zip(outputs, within, strict=True):
        assert sharp.contains(found)[inside].all()
        assert certificate.contains(found)[inside].all()
    # Somewhere a good part of the width is used.
    middle = (sharp.upper + sharp.lower) / 2
    assert (np.abs(outputs - middle) / (sharp.width / 2))[np.array(within)].max() > 0.2


def test_probabilities_in_exact_arithmetic():
    model, x = keras.Sequential([chain(), layers.Softmax()]), examples()
    certificate = certify(model, x, 0.1, rounding=False)
    assert certificate.slopes.tolist() == [lipzoo.lipschitz_bound(model).value] * 2
    with pytest.raises(ValueError, match=r"softmax.*is not known.*rounding=False"):
        certify(model, x, 0.1)


def test_every_output_has_a_slope_of_its_own():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, "relu"), layers.Dense(3)])
    model.layers[0].set_weights([np.diag([3.0, 1.0]), np.full(2, 10.0)])
    model.layers[1].set_weights([np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.zeros(3)])
    x = np.zeros((1, 2), "float32")
    product = certify(model, x, 1.0, rounding=False)
    np.testing.assert_allclose(product.slopes, [3.0, 3.0, 0.0], rtol=1e-6)
    sharp = certify(model, x, 1.0, rounding=False, method="semidefinite")
    np.testing.assert_allclose(sharp.slopes, [3.0, 1.0, 0.0], rtol=1e-6, atol=1e-12)
    # Behind a layer that is not linear, all outputs share the model's.
    model = rescaled()
    bound = lipzoo.lipschitz_bound(model).value
    assert certify(model, examples(), 1.0).slopes.tolist() == [bound, bound]


def test_what_rounding_does_stays_inside():
    """Inputs between two float32 numbers, which a move of 1e-9 sends to one or to the other."""
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64), layers.Dense(2)])
    randomise_freely(model, scale=300.0)
    low = np.float32(100) * examples(20, 64)
    x = (low.astype("float64") + np.nextafter(low, np.float32(np.inf))) / 2
    exact, rounded = (certify(model, x, 1e-7, rounding=rounding) for rounding in (False, True))
    left = 0
    for sign in (-1, 1):
        outputs = model.predict(x + sign * 1e-8, verbose=0)
        assert rounded.contains(outputs).all()
        left += np.sum(~exact.contains(outputs))
    assert left > 0


@half_precision
def test_nothing_is_known_of_sums_too_long_for_their_type():
    model = keras.Sequential([keras.Input((300,)), layers.Dense(2, dtype="bfloat16")])
    x = examples(2, 300)
    certificate = certify(model, x, 0.1)
    assert np.isinf(certificate.width).all()
    assert certificate.contains(model.predict(x, verbose=0)).all()
    assert np.isfinite(certify(model, x, 0.1, rounding=False).width).all()


def test_several_inputs():
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    x = {"a": examples(5, 2), "b": examples(5, 3)}
    certificate = certify(model, x, 0.1)
    assert certificate.input_size == 5
    norm = np.linalg.norm(model.get_weights()[0])
    np.testing.assert_allclose(certificate.slopes, norm, rtol=1e-6)


def test_errors_of_true_values():
    model, x = linear(1), examples()
    certificate = certify(model, x, 0.3)
    y = certificate.prediction[:, 0] + np.linspace(-1, 1, len(x))
    error = certificate.worst_error(y)
    assert error.shape == (30, 1)
    distance = np.abs(np.linspace(-1, 1, len(x))) + 0.3 * np.linalg.norm(model.get_weights()[0])
    np.testing.assert_allclose(error[:, 0], distance, rtol=1e-3)
    inside = np.abs(y - certificate.prediction[:, 0]) <= certificate.width[:, 0] / 2
    assert certificate.contains(y)[:, 0].tolist() == inside.tolist()
    for bad, message in [(y[:-1], r"\(30, 1\).*Received: y.shape=\(29,\)"), (y * np.nan, "NaN")]:
        with pytest.raises(ValueError, match=message):
            certificate.worst_error(bad)
    with pytest.raises(TypeError, match="Received: y of type str"):
        certificate.contains("y")


@pytest.mark.parametrize(
    "radius", [-0.1, np.nan, np.inf, "0.1", None, [0.1, 0.2], [[0.1], [0.2], [0.3]], 1j]
)
def test_radii_that_are_none_are_refused(radius):
    with pytest.raises(ValueError, match=r"radius must be.*at least 0, or 3.*Received: radius="):
        certify(linear(), examples(3), radius)


def test_what_does_not_fit_is_refused():
    model, x = linear(), examples(3)
    for bad, message in [(x[:, :2], r"Received: x.shape=\(3, 2\)"), (x * np.nan, "NaN")]:
        with pytest.raises(ValueError, match=message):
            certify(model, bad, 0.1)
    with pytest.raises(ValueError, match="Received: method='sdp'"):
        certify(model, x, 0.1, method="sdp")
    with pytest.raises(ValueError, match=r"Normalization along the last axis.*Received: model"):
        certify(model, x, 0.1, standardized=True)
    with pytest.raises(ValueError, match="Received: norm linf"):
        certify(model, x, 0.1).in_norm("linf").in_norm("l1")
    inputs = keras.Input((3,))
    for outputs in (
        [inputs, inputs],
        layers.Flatten()(inputs)[:, 0],
        layers.Reshape((3, 1))(inputs),
    ):
        with pytest.raises(ValueError, match=r"one output of shape \(batch, outputs\).*Received"):
            certify(keras.Model(inputs, outputs), x, 0.1)
    with pytest.raises(TypeError, match="Received: model='model'"):
        certify("model", x, 0.1)
