"""Radii in standard deviations: ellipsoids, against closed forms and attacks."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.certificates import certify
from lipzoo.evaluation import pgd_attack
from tests.helpers import tensorflow_only
from tests.truths import randomise_freely

layers = keras.layers
MEAN = np.array([1.0, -40.0, 0.3, 900.0])
DEVIATION = np.array([0.5, 10.0, 0.02, 250.0])


def network(body):
    """A model that standardises four features, and the same without the standardisation."""
    inputs = keras.Input((4,))
    standardized = layers.Normalization(mean=MEAN, variance=DEVIATION**2)(inputs)
    return keras.Model(inputs, body(standardized))


def examples(count=40):
    return (MEAN + DEVIATION * np.random.default_rng(0).normal(size=(count, 4))).astype("float32")


@pytest.fixture
def flows():
    return lipzoo.GradFlowNet(
        (4,),
        3,
        features=8,
        dense_depth=2,
        normalization={"mean": MEAN.tolist(), "variance": (DEVIATION**2).tolist()},
    )


def test_a_linear_classifier_has_the_distance_in_standard_deviations():
    head = layers.Dense(2)
    model, x = network(head), examples()
    kernel = np.random.default_rng(1).normal(size=(4, 2)) * np.array([[1.0], [2.0], [0.1], [3.0]])
    head.set_weights([kernel, np.array([0.2, -0.1])])
    difference = kernel[:, 0] - kernel[:, 1]
    z = (x.astype("float64") - MEAN) / DEVIATION
    exact = np.abs(z @ difference + 0.3) / np.linalg.norm(difference)
    certificate = certify(model, x, standardized=True, verbose=0)
    assert np.all(certificate.radius <= exact)
    np.testing.assert_allclose(certificate.radius, exact, rtol=1e-3, atol=1e-3)
    # One feature alone has to move by the margin over its own weight, in its own units.
    for i, radii in enumerate(certificate.feature_radii.values()):
        alone = np.abs(z @ difference + 0.3) / np.abs(difference[i]) * DEVIATION[i]
        assert np.all(radii <= alone)


def test_the_ellipsoid_holds_the_ball_of_the_ordinary_certificate(flows):
    x = examples()
    ball = certify(flows, x, rounding=False, verbose=0)
    ellipsoid = certify(flows, x, rounding=False, standardized=True, verbose=0)
    assert ball.deviation is None
    assert ball.feature_radii == {}
    np.testing.assert_allclose(ellipsoid.radius * DEVIATION.min(), ball.radius, rtol=1e-6)
    np.testing.assert_allclose(ellipsoid.deviation, DEVIATION, rtol=1e-6)
    rounded = certify(flows, x, standardized=True, verbose=0)
    assert np.all(rounded.radius <= ellipsoid.radius)
    assert rounded.radius.mean() > 0.9 * ellipsoid.radius.mean()
    assert "standard deviations" in str(rounded)


def without_standardization(model):
    inner = lipzoo.GradFlowNet((4,), 3, features=8, dense_depth=2)
    own = [layer for layer in model.layers if not isinstance(layer, layers.Normalization)]
    inner.set_weights([weight for layer in own for weight in layer.get_weights()])
    return inner


@tensorflow_only
def test_no_perturbation_of_that_size_changes_a_prediction(flows):
    x = examples()
    certificate = certify(flows, x, standardized=True, verbose=0)
    z = ((x.astype("float64") - MEAN) / DEVIATION).astype("float32")
    inner = without_standardization(flows)
    radius = certificate.radius * (1 - 1e-4)
    found = pgd_attack(inner, z, certificate.prediction, radius, restarts=2, clip=None)
    assert not found.success.any()
    assert pgd_attack(inner, z, certificate.prediction, 3 * radius, clip=None).success.any()
    for i, radii in enumerate(certificate.feature_radii.values()):
        for sign in (-1, 1):
            moved = x.astype("float64")
            moved[:, i] += sign * radii * (1 - 1e-6)
            logits = flows.predict(moved.astype("float32"), verbose=0)
            assert np.array_equal(logits.argmax(axis=1), certificate.prediction)


@pytest.mark.usefixtures("float64")
@tensorflow_only
def test_a_reference_in_float64_makes_the_radii_larger(flows):
    x = examples()
    precise = keras.models.clone_model(
        flows, clone_function=lambda layer: type(layer).from_config(
            {**layer.get_config(), "dtype": "float64"}
        )
    )  # fmt: skip
    precise.set_weights(flows.get_weights())
    plain = certify(flows, x, standardized=True, verbose=0)
    sharper = certify(flows, x, standardized=True, reference=precise, verbose=0)
    assert np.mean(sharper.radius) >= np.mean(plain.radius)


def test_sequences_are_standardised_per_channel():
    model = keras.Sequential(
        [
            keras.Input((6, 2)),
            layers.Normalization(mean=[0.0, 5.0], variance=[4.0, 0.25]),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    randomise_freely(model.layers[-1])
    x = np.random.default_rng(1).normal(size=(5, 6, 2)).astype("float32")
    certificate = certify(model, x, standardized=True, verbose=0)
    np.testing.assert_allclose(certificate.deviation, [2.0, 0.5], rtol=1e-6)
    logits = model.predict(x, verbose=0).astype("float64")
    kernel = model.layers[-1].get_weights()[0]
    exact = np.abs(logits[:, 0] - logits[:, 1]) / np.linalg.norm(kernel[:, 0] - kernel[:, 1])
    np.testing.assert_allclose(certificate.radius, exact, rtol=1e-3, atol=1e-4)
    # A channel is six entries, none of which has the channel to itself.
    assert certificate.feature_radii == {}
    assert not any("radius of" in name for name in certificate.report().columns())


def test_the_radius_of_one_feature_is_the_same_in_every_norm(flows):
    certificate = certify(flows, examples(5), standardized=True, verbose=0)
    for norm in ("l1", "l2", "linf"):
        converted = certificate.in_norm(norm)
        for i, radii in enumerate(converted.feature_radii.values()):
            np.testing.assert_allclose(radii, certificate.radius * DEVIATION[i], rtol=1e-6)
            assert np.all(radii <= certificate.radius * certificate.deviation[i])


@pytest.mark.parametrize(
    "body",
    [
        [layers.Dense(2)],
        [layers.ReLU(), layers.Normalization(mean=[0.0] * 4, variance=[1.0] * 4), layers.Dense(2)],
        [layers.Normalization(mean=0.0, variance=1.0, invert=True), layers.Dense(2)],
        [layers.Rescaling(0.5), layers.Dense(2)],
    ],
)
def test_models_that_do_not_begin_by_standardising_are_refused(body):
    model = keras.Sequential([keras.Input((4,)), *body])
    with pytest.raises(ValueError, match=r"Normalization along the last axis.*Received: model"):
        certify(model, examples(2), standardized=True, verbose=0)


def test_an_input_that_also_goes_elsewhere_is_refused():
    inputs = keras.Input((4,))
    normal = layers.Normalization(mean=MEAN, variance=DEVIATION**2)(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()([normal, inputs])))
    with pytest.raises(ValueError, match="goes into"):
        certify(model, examples(2), standardized=True, verbose=0)
