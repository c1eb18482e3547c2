"""Certificates and attacks of the classical methods that the models are compared with."""

import json

import numpy as np
import pytest

import lipzoo
from lipzoo_catalogue.comparison import Comparison
from studies import beyond


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def blobs(rng):
    centres = 2 * rng.normal(size=(3, 4))
    y = np.arange(90) % 3
    return centres[y] + rng.normal(size=(90, 4)), y


def classical(blobs):
    x, y = blobs
    methods = beyond.classical((x[:60], y[:60]), (x[60:], y[60:]), 3)
    return {name: method() for name, method in methods.items()}


def test_the_radius_of_linear_scores_is_the_distance_to_the_nearest_plane(blobs):
    scores, _, proof = classical(blobs)["logistic regression"]
    x, _ = blobs
    prediction = scores(x).argmax(axis=1)
    radii = proof(scores, x, prediction)
    for point, label, radius in zip(x, prediction, radii, strict=True):
        logits = scores(point[None])[0]
        others = [j for j in range(3) if j != label]
        normals = proof.weights[label] - proof.weights[others]
        distances = (logits[label] - logits[others]) / np.linalg.norm(normals, axis=1)
        nearest = normals[distances.argmin()] / np.linalg.norm(normals[distances.argmin()])
        for factor, kept in ((1 - 1e-6, True), (1 + 1e-6, False)):
            moved = point - factor * radius * nearest
            assert (scores(moved[None]).argmax() == label) is np.bool_(kept)


def test_nothing_within_the_radius_of_the_nearest_neighbour_changes_its_prediction(blobs, rng):
    scores, _, proof = classical(blobs)["one nearest neighbour"]
    x, _ = blobs
    prediction = scores(x).argmax(axis=1)
    radii = proof(scores, x, prediction)
    assert np.all(radii >= 0)
    # Sharper than what the triangle inequality says of the two distances.
    distances = np.linalg.norm(x[:, None] - proof.known, axis=2)
    same = proof.labels == prediction[:, None]
    own, other = (np.where(mask, distances, np.inf).min(axis=1) for mask in (same, ~same))
    assert np.all(radii >= (other - own) / 2 - 1e-12)
    unknown = own > 0
    assert np.median(radii[unknown] / (other - own)[unknown]) > 1.2 / 2
    for _ in range(200):
        step = rng.normal(size=x.shape)
        step *= (0.999 * radii / np.linalg.norm(step, axis=1))[:, None]
        assert np.array_equal(scores(x + step).argmax(axis=1), prediction)


@pytest.mark.parametrize("name", ["logistic regression", "one nearest neighbour"])
def test_bisection_finds_nothing_within_a_radius_and_comes_near_it(blobs, name):
    scores, _, proof = classical(blobs)[name]
    x, _ = blobs
    prediction = scores(x).argmax(axis=1)
    found = beyond.bisected(scores, x, prediction)
    radii = proof(scores, x, prediction)
    assert np.isfinite(found).all()
    # Exact at known examples: found and radius are equal there but for rounding.
    assert np.all(found >= radii * (1 - 1e-9))
    assert np.median(found / radii) < 2


def test_the_results_are_of_the_models_as_they_are_and_no_radius_was_refuted():
    results = json.loads(beyond.RESULTS.read_text(encoding="utf-8"))["models"]
    assert set(results) == set(beyond.RADII)
    for name, values in results.items():
        comparison = Comparison.from_dict(values, name)
        assert name in comparison.methods[0].name
        metrics = lipzoo.info(name).metrics
        assert metrics.comparison == comparison
        assert metrics.clean == comparison.methods[0].clean
        best = max(method.clean for method in comparison.methods)
        assert comparison.methods[0].clean >= best - 0.02


def test_methods_are_compared_on_what_was_not_seen_too(blobs):
    scores, _, proof = classical(blobs)["logistic regression"]
    x, y = blobs
    seen = np.arange(90) % 3 == 0
    whole = beyond.row("linear", scores, None, proof, (0.1, 0.5), x, y, seen)
    alone = beyond.row("linear", scores, None, proof, (0.1, 0.5), x[~seen], y[~seen])
    assert whole["unseen"] == {key: value for key, value in alone.items() if key != "name"}
    values = {"radii": [0.1, 0.5], "units": "cm", "attack": "none", "methods": [whole]}
    text = Comparison.from_dict({**values, "unseen": 60}).markdown()
    assert text.index("The 60 unseen examples") < text.index("All examples")
    assert f"{100 * alone['clean']:.1f}" in text
    del whole["unseen"]
    assert "unseen" not in Comparison.from_dict(values).markdown()
    with pytest.raises(ValueError, match="unseen"):
        Comparison.from_dict({**values, "unseen": 60})
