"""Trainings that start from trained weights: those very weights, or an error and no change."""

import shutil

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from lipzoo import training, zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.training import progress
from lipzoo.training.model import TrainingError, build_model
from lipzoo.training.recipe import parse_recipe
from lipzoo.training.run_folder import CheckpointError
from lipzoo.training.warm_start import start_from
from tests.tiny_runs import blobs, recipe_text, unmeasured, write_blobs

__all__ = ["unmeasured"]
ARGUMENTS = {"features": 8, "dense_depth": 1, "input_shape": [5], "num_classes": 3}


def _recipe(source, start, **arguments):
    text = recipe_text(source, **arguments)
    return text.replace("[model]\n", f'[model]\nstart = "{start}"\n')


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_blobs(tmp_path_factory.mktemp("data") / "blobs.npz")


@pytest.fixture(scope="module")
def trained(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "trained"
    training.train(recipe_text(source), folder, verbose=False)
    return folder


def _values(model):
    return [np.array(value) for value in model.get_weights()]


def _assert_unchanged(model, before):
    for value, old in zip(_values(model), before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_the_model_computes_what_the_trained_one_does(trained):
    x, _ = blobs(seed=1)
    model = build_model("GradFlowNet", ARGUMENTS)
    expected = zoo.load(trained).predict(x, verbose=0)
    assert np.abs(model.predict(x, verbose=0) - expected).max() > 0.1
    start_from(model, str(trained), "GradFlowNet", 3)
    # Trained kernels are within their constraints; projecting them again is a matter of rounding.
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=0, atol=1e-5)


def test_a_run_starts_there_and_its_recipe_says_so(source, trained, tmp_path):
    still = {"epochs": 1, "training": "final_learning_rate = 0.0"}
    text = _recipe(source, trained, **still).replace("0.02", "1e-12")
    metrics = training.train(text, tmp_path / "run", verbose=False)
    before, after = (zoo.read_weights(f / "model.safetensors") for f in (trained, tmp_path / "run"))
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=0, atol=1e-6)
    recipe = parse_recipe((tmp_path / "run" / "recipe.toml").read_text())
    assert recipe.model.start == str(trained)
    assert metrics["recipe_sha256"] == recipe.sha256()
    assert recipe.sha256() != parse_recipe(text.replace("start =", "#")).sha256()


@pytest.mark.usefixtures("unmeasured")
def test_a_killed_run_continues_from_its_checkpoint_and_not_from_the_start(
    source, trained, tmp_path, monkeypatch
):
    text = _recipe(source, trained)
    training.train(text, tmp_path / "whole", verbose=False)
    written = []

    def killed(path, model, state):
        if len(written) == 2:
            raise CheckpointError("killed")
        written.append(path)
        save(path, model, state)

    save = progress.save_checkpoint
    monkeypatch.setattr(progress, "save_checkpoint", killed)
    with pytest.raises(CheckpointError, match="killed"):
        training.train(text, tmp_path / "run", verbose=False)
    monkeypatch.undo()
    training.train(text, tmp_path / "run", resume=True, verbose=False)
    first, second = (zoo.read_weights(tmp_path / f / "model.safetensors") for f in ("whole", "run"))
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, rtol=0, atol=1e-6)


def test_a_head_for_other_classes_is_left_fresh(trained):
    model = build_model("GradFlowNet", {**ARGUMENTS, "num_classes": 4})
    head = convert_to_numpy(model.layers[-1].kernel)
    start_from(model, str(trained), "GradFlowNet", 4)
    np.testing.assert_array_equal(model.layers[-1].kernel, head)
    tensors = zoo.read_weights(trained / "model.safetensors")
    kernel = model.get_layer("dense_flow1").kernel
    np.testing.assert_allclose(kernel, tensors["dense_flow1.kernel"], rtol=0, atol=1e-5)


def test_weights_outside_their_constraints_are_projected(trained, tmp_path):
    loose = zoo.load(trained)
    loose.set_weights([5 * value for value in loose.get_weights()])
    assert lipschitz_bound(loose).value > 1.5
    zoo.save_model(tmp_path / "loose", loose, loose.lipzoo_config)
    model = build_model("GradFlowNet", ARGUMENTS)
    start_from(model, str(tmp_path / "loose"), "GradFlowNet", 3)
    assert lipschitz_bound(model).value <= 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "start: .*no such folder|start: .*folder"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"something else"),
            r"start: .*model\.safetensors",
        ),
        (
            lambda folder: (folder / "config.json").write_text("{}"),
            r"start: .*config\.json",
        ),
    ],
    ids=["missing", "other weights", "other configuration"],
)
def test_damaged_models_are_refused_and_nothing_changes(trained, tmp_path, change, message):
    folder = shutil.copytree(trained, tmp_path / "copy")
    change(folder)
    model = build_model("GradFlowNet", ARGUMENTS)
    before = _values(model)
    with pytest.raises(TrainingError, match=message):
        start_from(model, str(folder), "GradFlowNet", 3)
    _assert_unchanged(model, before)


def test_models_that_do_not_fit_are_refused_and_nothing_changes(trained):
    wide = build_model("GradFlowNet", {**ARGUMENTS, "features": 16})
    before = _values(wide)
    with pytest.raises(TrainingError, match=r"start: .*of another shape: .*dense_flow1\.kernel"):
        start_from(wide, str(trained), "GradFlowNet", 3)
    _assert_unchanged(wide, before)
    mlp = build_model("MLP", {"input_shape": [5], "num_classes": 3, "width": 4, "depth": 2})
    with pytest.raises(TrainingError, match=r"expected a trained MLP\. Received: .* a GradFlowNet"):
        start_from(mlp, str(trained), "MLP", 3)
    with pytest.raises(TrainingError, match=r"start: .*'gradflow-fmnist'"):
        start_from(keras.Sequential(), "gradflow-fmnst", "GradFlowNet", 10)


def test_the_start_must_be_text(source):
    with pytest.raises(training.RecipeError, match=r"'model\.start': expected text"):
        parse_recipe(recipe_text(source).replace("[model]\n", "[model]\nstart = 3\n"))
