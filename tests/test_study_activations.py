"""The activation study: networks that are alike but for the activation, and its file."""

import json

import pytest

import lipzoo
from studies import activations
from studies.small_classifiers import small_recipe


@pytest.mark.parametrize("candidate", activations.CANDIDATES, ids=lambda c: c.name)
def test_networks_of_the_activation_study_are_alike_but_for_the_activation(candidate):
    model = activations.build(candidate, candidate.gains[-1])
    gains = activations.DEPTH * activations.FEATURES if candidate.train_gain else 0
    plain = activations.build(activations.CANDIDATES[0], 1.0)
    assert model.count_params() == plain.count_params() + gains
    assert lipzoo.lipschitz_bound(model).value <= 1.0


def test_the_file_is_that_of_the_study():
    found = json.loads((activations.HERE / "activations.json").read_text())
    assert found["recipe_sha256"] == small_recipe({}, found["epochs"]).sha256()
    assert list(found["networks"]) == [c.name for c in activations.CANDIDATES]
    for row in found["networks"].values():
        assert row["largest_bound"] <= 1.0
        assert len(row["clean"]["values"]) == found["seeds"] == 5
