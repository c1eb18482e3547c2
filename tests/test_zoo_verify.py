"""`verify`: every check is made, and each damage is found by the check that is about it."""

import json
import shutil

import pytest
import zoo_models

import lipzoo
from lipzoo_catalogue.files import record_of
from lipzoo_catalogue.registry import weights_folder

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
