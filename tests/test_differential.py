import json

import keras
import numpy as np
import pytest

import lipzoo
from studies.differential import __main__, adversary, generator, record, trial
from studies.differential.functions import Function, untraced
from studies.differential_table import RESULTS, differential_table

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the adversary differentiates with TensorFlow"
)


def test_no_random_model_refutes_its_certificates():
    found = record.part_record(range(1_000_000, 1_000_016), "")
    assert found["failures"] == []
    assert found["outcomes"]["accepted"] >= 8


def test_no_random_model_refutes_its_certificates_on_a_box():
    found = record.part_record(range(1_000_000, 1_000_012), "", about="boxes")
    assert found["failures"] == []
    assert found["outcomes"]["accepted"] >= 5
    assert found["features"]["accepted with gate"] >= 3


def test_no_random_chain_refutes_its_radii_from_slopes_within_them():
    found = record.part_record(range(1_000_000, 1_000_008), "", about="local")
    assert found["failures"] == []
    assert found["outcomes"]["accepted"] >= 5
    assert found["certified_points"] >= 30


def test_equal_seeds_give_equal_models():
    x = np.random.default_rng(0).standard_normal((4, 64))
    for seed in range(3):
        first, second = (Function(generator.make((seed, 0, 0)).model) for _ in range(2))
        rows = x[:, : sum(first.sizes)]
        np.testing.assert_array_equal(first.eager(rows), second.eager(rows))


@pytest.fixture(name="model")
def dense_model():
    model = keras.Sequential(
        [keras.Input((3,), dtype="float64"), keras.layers.Dense(3, dtype="float64")]
    )
    model.set_weights([np.diag([3.0, 1.0, 0.5]), np.zeros(3)])
    return model


def test_the_adversary_finds_a_bound_that_is_too_small(model, monkeypatch):
    random, function = np.random.default_rng(0), Function(model)
    bound, found = lipzoo.lipschitz_bound(model), adversary.Found()
    adversary.attack_bound(function, bound, random, found)
    assert found.bound == pytest.approx(1.0, abs=1e-6)
    object.__setattr__(bound, "value", 0.99 * bound.value)
    with pytest.raises(adversary.Violation, match=r"above the bound 2\.97"):
        adversary.attack_bound(function, bound, random, found)


def test_the_adversary_finds_radii_and_balls_that_are_too_large(model, monkeypatch):
    random, function = np.random.default_rng(0), Function(model)
    rows = adversary.points(random, 3)
    jacobians = function.derivatives(rows, 3)
    with untraced():
        adversary.attack_radii(function, function, rows, random, adversary.Found(), False, {})
        adversary.attack_balls(function, rows, jacobians, random, adversary.Found(), False)
    # The kernel is another one when the certificates are made than when they are attacked.
    kernel = model.layers[0].kernel.numpy()

    def smaller(*arguments, **settings):
        model.layers[0].kernel.assign(0.5 * kernel)
        certificate = certifying(*arguments, **settings)
        model.layers[0].kernel.assign(kernel)
        return certificate

    certifying = adversary.certify_reconstruction
    monkeypatch.setattr(adversary, "certify_reconstruction", smaller)
    with untraced(), pytest.raises(adversary.Violation, match="leaves the ball"):
        adversary.attack_balls(function, rows, jacobians, random, adversary.Found(), False)


def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    tried = []

    def run(seed, about):
        tried.append(seed)
        outcome = "violation" if seed == 5 else "accepted"
        return trial.Trial(seed, outcome, features={"nested": 1}, found={"bound": seed / 10})

    monkeypatch.setattr(record, "run", run)
    command = ["--out", str(tmp_path), "--part", "4", "--models"]
    assert __main__.main([*command, "4"]) == 0
    assert __main__.main([*command, "8"]) == 1
    assert tried == list(range(8))
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["models"] == 8
    assert found["outcomes"] == {"accepted": 7, "violation": 1}
    assert found["largest_share"]["bound"] == 0.7
    assert [failure["seed"] for failure in found["failures"]] == [5]
    # Parts of other code are run again when that is asked for.
    monkeypatch.setattr(__main__, "commit_of", lambda root: "other")
    __main__.main([*command, "8", "--again"])
    assert tried == list(range(8)) * 2
    assert json.loads((tmp_path / "summary.json").read_text())["commits"] == {"other": 2}


def test_the_published_run_refuted_nothing():
    found = json.loads(RESULTS.read_text())
    assert found["failures"] == []
    assert sum(found["outcomes"].values()) == found["models"] == 5000
    assert max(found["largest_share"].values()) <= 1 + 1e-6
    assert found["certified_points"] > found["models"]
    assert "| refuted: a statement found false | 0 |" in differential_table()
