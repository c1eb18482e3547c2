"""`verify`: every check is made, and each damage is found by the check that is about it."""

import json
import shutil

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.layers import SpaceToDepth
from lipzoo_catalogue.files import record_of
from lipzoo_catalogue.registry import weights_folder
from tests import zoo_models

MODEL = "hamnet-swissroll"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(weights_folder() / MODEL, tmp_path / "model")
    return tmp_path / "model"


def failed(folder):
    verification = lipzoo.verify(folder)
    assert verification.to_dict()["passed"] == verification.passed
    return {check.what: check.detail for check in verification.checks if not check.passed}


def vouch(folder):
    """Makes the certificate state the hashes of the files as they are."""
    records = {f: vars(record_of((folder / f).read_bytes())) for f in ("config.json",)}
    zoo_models.edit_json(folder / "certificate.json", lambda v: v["files"].update(records))


@pytest.mark.parametrize("name", lipzoo.list_models())
def test_the_models_of_the_zoo_are_verified(name):
    reported = []
    verification = lipzoo.verify(name, report=reported.append)
    assert verification.passed
    assert tuple(reported) == verification.checks
    done = {check.what for check in verification.checks}
    assert {"config.json", "model.safetensors", "certificate.json", "metrics.json"} <= done
    assert {"configuration", "weights", "certificate", "network", "bound", "test results"} <= done
    outputs = next(check for check in verification.checks if check.what == "outputs")
    assert "inputs as stored; float32" in outputs.detail
    assert str(verification).endswith(": verified")


def test_a_folder_is_verified_by_its_certificate(folder):
    verification = lipzoo.verify(folder)
    assert verification.passed
    assert "as the certificate states" in str(verification)
    assert "which nothing states" in str(verification)  # metrics.json of a folder


def test_an_altered_file_does_not_hide_what_else_is_wrong(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (folder / "card.toml").write_text("limits = 3")
    found = failed(folder)
    assert list(found) == ["model.safetensors", "card"]
    assert "was altered" in found["model.safetensors"]


def test_a_missing_certificate_is_no_trifle(folder):
    (folder / "certificate.json").unlink()
    assert list(failed(folder)) == ["certificate.json"]


def test_bounds_are_compared_layer_by_layer(folder):
    path = folder / "certificate.json"
    original = path.read_text()
    zoo_models.edit_json(path, lambda v: v["layers"][-1].update(bound=0.5))
    assert "at most 0.5 for head" in failed(folder)["bound"]
    path.write_text(original)
    zoo_models.edit_json(path, lambda v: v.update(lipschitz_bound=10.0))
    found = failed(folder)
    assert "at most 10.0 for the whole model" in found["bound"]
    assert "as the certificate claims" in found["test results"]


def test_a_network_that_does_not_fit_its_weights_is_found(folder):
    zoo_models.edit_json(folder / "config.json", lambda v: v["arguments"].update(depth=11))
    vouch(folder)
    assert "unexpected: stage1_flow12" in failed(folder)["network"]


def test_malformed_results_are_found(folder):
    zoo_models.edit_json(folder / "metrics.json", lambda v: v["test"].update(clean=1.5))
    assert "key 'test.clean'" in failed(folder)["test results"]


def test_a_wrong_count_in_the_registry_is_found(tmp_path, monkeypatch):
    shutil.copytree(weights_folder() / MODEL, tmp_path / "weights" / MODEL)
    registry = json.loads((weights_folder() / "registry.json").read_text())
    registry["models"] = {MODEL: {**registry["models"][MODEL], "parameters": 155}}
    (tmp_path / "weights" / "registry.json").write_text(json.dumps(registry))
    zoo_models.use_zoo(monkeypatch, tmp_path)
    assert failed(MODEL) == {
        "weights": "expected 155 parameters, as the registry states. Received: 154"
    }


@pytest.fixture
def image_model(tmp_path):
    zoo_models.save_run(tmp_path / "images")
    return tmp_path / "images"


def swapping_axes(call):
    """The call of a layer, on images whose axes are swapped: the same bound, another function."""
    return lambda layer, inputs: call(layer, keras.ops.transpose(inputs, (0, 2, 1, 3)))


def test_another_function_of_the_same_bound_is_found(image_model, monkeypatch):
    assert lipzoo.verify(image_model).passed
    monkeypatch.setattr(SpaceToDepth, "call", swapping_axes(SpaceToDepth.call))
    found = failed(image_model)
    assert list(found) == ["outputs"]
    assert "what was built is another function" in found["outputs"]


def test_the_stored_outputs_are_those_of_the_model(image_model):
    model = lipzoo.load(image_model, dtype="float64")
    stored = zoo_models.read_json(image_model / "certificate.json")["probes"]
    x = np.random.RandomState(stored["seed"]).random_sample((len(stored["outputs"]), 8, 8, 1))
    found = model.predict(x.astype("float32"), verbose=0)
    np.testing.assert_allclose(found, stored["outputs"], rtol=0, atol=1e-12)
    zoo_models.edit_json(
        image_model / "certificate.json", lambda v: v["probes"]["outputs"][1].__setitem__(2, 0.7)
    )
    assert list(failed(image_model)) == ["outputs"]


def test_a_model_saved_without_outputs_is_verified_without(image_model):
    zoo_models.edit_json(image_model / "certificate.json", lambda v: v.pop("probes"))
    verification = lipzoo.verify(image_model)
    assert verification.passed
    assert "none are stored to compare with" in str(verification)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": -1},
        {"outputs": []},
        {"outputs": [[1.0], ["a"]]},
        {"errors": [1.0]},
        {"errors": [-1.0, 0.0, 0.0]},
        {"more": 1},
    ],
)
def test_malformed_stored_outputs_are_refused(image_model, values):
    zoo_models.edit_json(image_model / "certificate.json", lambda v: v["probes"].update(values))
    with pytest.raises(ValueError, match="probes"):
        lipzoo.load(image_model)
