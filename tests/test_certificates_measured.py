"""The measured rounding slack against the same network in float64, at x and all over a ball."""

import functools

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.certificates.forward_pass import evaluate
from lipzoo.certificates.rounding_error import bounded_uncertainty, probe
from lipzoo.models import GradFlowNet
from tests.truths import randomise

RADIUS = 0.5


def build(dtype, activation, num_classes=None, features=24):
    """A small network; its features without num_classes."""
    keras.config.set_dtype_policy(dtype)
    model = GradFlowNet(
        (8, 8, 1),
        num_classes or 4,
        width=16,
        patch_depths=(4,),
        axial_units=32,
        features=features,
        activation=activation,
        include_top=num_classes is not None,
    )
    keras.config.set_dtype_policy("float32")
    return model


@pytest.fixture(params=["relu", "softplus"])
def networks(request, float64):
    """The same network with large biases in float32 and in float64; no test changes it."""
    return _networks(request.param)


@functools.cache
def _networks(activation):
    single, double = build("float32", activation), build("float64", activation)
    for i, layer in enumerate(single.layers):
        randomise(layer, seed=i)
    double.set_weights([weight.astype("float64") for weight in single.get_weights()])
    return single, double


def uncertainties_of(model, x, reference=None):
    """At x and in the ball: as measured, and as bounded from the weights alone."""
    own, centre = (
        evaluate(network, [x], by_name=False, batch_size=32, rounding=True, verbose=0)
        for network in (model, reference or model)
    )
    measured = own.at_x(), own.in_ball(np.full(len(x), RADIUS), centre)
    output = own.bound.output
    return measured, tuple(
        bounded_uncertainty(output, own.norms + radius, None) for radius in (0.0, RADIUS)
    )


@pytest.mark.parametrize("with_reference", [False, True])
def test_error_and_norm_hold_at_x_and_in_the_ball(networks, with_reference):
    single, double = networks
    rng = np.random.default_rng(0)
    x = rng.random((20, 8, 8, 1)).astype("float32")
    claims = uncertainties_of(single, x, double if with_reference else None)
    for trial in range(10):
        step = rng.normal(size=x.shape)
        length = np.linalg.norm(step.reshape(len(x), -1), axis=1)[:, None, None, None]
        moved = x + (trial > 0) * RADIUS * step / length
        computed = single.predict(moved.astype("float32"), verbose=0).astype("float64")
        exact = double.predict(moved.astype("float64"), verbose=0)
        error = np.linalg.norm(computed - exact, axis=1)
        norm = np.linalg.norm(computed, axis=1)
        for at_x, in_ball in claims:
            assert np.all(error <= in_ball.error)
            assert np.all(norm <= in_ball.norm)
            if trial == 0:
                assert np.all(error <= at_x.error)
                assert np.all(norm <= at_x.norm)
    (_, measured), (_, bounded) = claims
    assert np.all(measured.error < 0.5 * bounded.error)


def test_norms_are_those_of_every_layer(networks):
    _, double = networks
    x = np.random.default_rng(1).random((5, 8, 8, 1))
    _, computed = probe(double).model.predict(x, verbose=0)
    outputs = keras.Model(double.input, [layer.output for layer in double.layers[1:]])
    for column, value in zip(computed.T, outputs.predict(x, verbose=0), strict=True):
        assert np.allclose(column, np.linalg.norm(value.reshape(5, -1), axis=1), rtol=1e-5)


def test_branches_fall_back_on_the_bound_from_the_weights():
    inputs = keras.Input((6,))
    left = keras.layers.Dense(5, activation="relu")(inputs)
    right = keras.layers.Dense(5)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Add()([left, right])))
    assert probe(model) is None
    x = np.random.default_rng(2).normal(size=(8, 6)).astype("float32")
    slack = lipzoo.certify(model, x, rounding=False, verbose=0).radius
    slack = slack - lipzoo.certify(model, x, verbose=0).radius
    assert np.all(slack > 0)
    assert np.all(slack < 1e-4)


def test_the_probe_follows_the_weights():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    model.set_weights([np.eye(2)])
    x = np.array([[3.0, 1.0]], "float32")
    assert lipzoo.certify(model, x, verbose=0).radius == pytest.approx([np.sqrt(2)], rel=1e-5)
    model.set_weights([np.diag([1.0, 5.0])])
    certificate = lipzoo.certify(model, x, verbose=0)
    assert certificate.prediction.tolist() == [1]
    assert certificate.radius == pytest.approx([2 / np.sqrt(26)], rel=1e-5)


def test_a_changed_attribute_needs_a_new_probe():
    layer = lipzoo.layers.GradientFlowDense()
    model = keras.Sequential([keras.Input((3,)), layer])
    first = probe(model)
    assert probe(model) is first
    layer.step_size = 1.0
    assert probe(model) is not first
