"""Distances to the boundary in three norms, against the closed form of linear networks."""

import json

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.evaluation.attacks.base import Target
from lipzoo.evaluation.margins import margin_scale
from studies import other_norms

DUAL = {"l1": np.inf, "l2": 2, "linf": 1}


@pytest.fixture(scope="module")
def linear():
    """A linear network of two classes, examples and the gradient of their margin."""
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    model.set_weights([rng.normal(size=(6, 2)), rng.normal(size=2)])
    x = rng.normal(size=(20, 6)).astype("float32")
    logits = model.predict(x, verbose=0)
    kernel, _ = model.get_weights()
    return model, x, logits, kernel[:, 0] - kernel[:, 1]


def margins_of(logits):
    return np.abs(logits[:, 0] - logits[:, 1])


@pytest.mark.parametrize("norm", DUAL)
def test_of_a_linear_network_the_distance_found_is_the_distance(linear, norm, monkeypatch):
    monkeypatch.setattr(other_norms, "MULTIPLES", (1.5, 3.0, 8.0))
    model, x, logits, gradient = linear
    exact = margins_of(logits) / np.linalg.norm(gradient, DUAL[norm])
    prediction = logits.argmax(axis=1)
    target = Target(model, x, prediction, None, len(x), margin_scale(logits))
    found = other_norms.nearest_found(target, norm, exact)
    reached = np.isfinite(found)
    assert reached.mean() > 0.9
    assert np.all(found >= exact * (1 - 1e-5))
    assert np.median((found / exact)[reached]) < 1.3


@pytest.mark.parametrize("norm", DUAL)
def test_the_price_of_a_linear_network_is_what_its_radius_loses(linear, norm):
    model, x, logits, gradient = linear
    exact = margins_of(logits) / np.linalg.norm(gradient, DUAL[norm])
    certificate = lipzoo.certify(model, x, verbose=0)
    # The bound of a linear network of two classes is tight in l2, up to rounding.
    lost = exact / certificate.in_norm(norm).radius
    prices = other_norms.linear_prices(model, x, logits.argmax(axis=1))[norm]
    np.testing.assert_allclose(prices, lost, rtol=1e-3)


def test_the_results_are_of_models_of_the_zoo_and_refute_no_radius():
    results = json.loads(other_norms.RESULTS.read_text(encoding="utf-8"))["models"]
    assert list(results) == [name for name in other_norms.models() if name in results]
    assert {"gradflow-fmnist", "gradflow-mnist"} <= results.keys()
    for row in results.values():
        for known in row["norms"].values():
            assert min(known["ratio"].values()) >= 1
            assert known["reached"] > 0.8 * row["examples"]
