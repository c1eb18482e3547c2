"""What is found from below: exact where it can be, and never above the bound."""

import json

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.evaluation import tightness
from studies import tightness as benchmark
from tests.truths import jacobian_norms, randomise


def small_net():
    model = lipzoo.GradFlowNet((6, 6, 1), 3, width=6, axial_units=5, features=8, dense_depth=1)
    for layer in model.layers:
        randomise(layer)
    return model


def test_local_norms_are_those_of_the_jacobians():
    model = small_net()
    x = np.random.default_rng(0).normal(size=(5, 6, 6, 1)).astype("float32")
    found = tightness(model, x, steps=0, batch_size=2)
    assert found.exact
    np.testing.assert_allclose(found.local, jacobian_norms(model, x), rtol=1e-5)


def test_many_outputs_are_estimated_from_below():
    layer = lipzoo.layers.GradientFlowConv2D(8, 3, activation="tanh")
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, layer(inputs))
    randomise(layer)
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 3)).astype("float32")
    found = tightness(model, x, steps=3)
    exact = jacobian_norms(model, x)
    assert not found.exact
    assert np.all(found.local <= exact * (1 + 1e-5))
    assert np.all(found.local > 0.9 * exact)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_search_climbs_and_stays_below_the_bound(activation):
    model = lipzoo.MLP((5,), 3, width=16, activation=activation)
    x = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
    start, found = (tightness(model, x, distance=0.1, steps=steps) for steps in (0, 100))
    assert np.all(found.ratio >= start.ratio)
    assert found.ratio.mean() > 1.05 * start.ratio.mean()
    assert found.found <= found.bound * (1 + 1e-4)
    assert 0 < found.share <= 1 + 1e-4
    # The pairs have the ratios that are reported.
    first, second = (found.pairs[:, i].astype("float64") for i in (0, 1))
    outputs = [
        model.predict(v.astype("float32"), verbose=0).astype("float64") for v in (first, second)
    ]
    ratio = np.linalg.norm(outputs[0] - outputs[1], axis=1) / np.linalg.norm(first - second, axis=1)
    np.testing.assert_allclose(ratio, found.ratio, rtol=1e-3)
    assert "% of it" in str(found)


def test_a_chain_of_reflections_reaches_its_bound():
    model = lipzoo.GradFlowNet((8,), 3, features=8, dense_depth=2)
    random = np.random.default_rng(0)
    for layer in model.layers[1:]:
        if layer.weights:
            kernel = np.linalg.qr(random.normal(size=layer.kernel.shape))[0]
            layer.set_weights([kernel, np.full(kernel.shape[1], 50.0)])
    found = tightness(model, random.normal(size=(4, 8)), steps=5)
    assert found.share == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distance": 0.0}, "distance"),
        ({"distance": float("nan")}, "distance"),
        ({"steps": -1}, "steps must be"),
        ({"batch_size": 0}, "positive integer"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    model = lipzoo.MLP((5,), 3)
    with pytest.raises(ValueError, match=message):
        tightness(model, np.zeros((2, 5)), **settings)
    with pytest.raises(ValueError, match="shape"):
        tightness(model, np.zeros((2, 4)))


def test_the_published_table_is_about_the_bounds_of_the_zoo():
    rows = json.loads(benchmark.RESULTS.read_text())["models"]
    for row in rows:
        bound = lipzoo.info(row["name"]).lipschitz_bound
        assert row["bound"] == pytest.approx(bound, rel=1e-9)
        assert 0 < row["largest_local"] <= row["found"] <= row["bound"]
    assert "gradflow-fmnist" in [row["name"] for row in rows]
