"""Recipes of reconstructions: from images to a run folder that is a model with its comparison."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import lipzoo
import lipzoo_cli
from lipzoo import training, zoo
from lipzoo.data.dataset import load_data
from lipzoo.training.recipe import RecipeError, parse_recipe
from lipzoo.training.tasks import ReconstructionTask, task_of
from tests.tiny_runs import recipe_text

RECIPE = """\
name = "tiny-scan"
description = "Tomography of small squares"
seed = 1

[data]
source = "{source}"
kind = "image"

[measurement]
noise = {noise}
examples = 12

[model]
architecture = "{architecture}"

[model.arguments]
alpha = 0.01
steps = 2
flows = 1
width = 2
filters = 4

[model.arguments.operator]
class_name = "Tomography"
config = {{size = {size}, angles = 4}}

[training]
epochs = 2
batch_size = 16
learning_rate = 0.01
warmup_epochs = 0.5

[training.loss]
name = "{loss}"

[registry]
dataset = "made up"
data_licence = "CC0"
"""


def recipe(source, noise=0.02, architecture="InvNet", size=12, loss="mean_squared_error"):
    return RECIPE.format(
        source=source, noise=noise, architecture=architecture, size=size, loss=loss
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Bright rectangles on a dark ground, without labels."""
    generator = np.random.default_rng(0)
    images = np.full((120, 12, 12, 1), 0.1, "float32")
    for image in images:
        top, left = generator.integers(0, 8, 2)
        image[top : top + 4, left : left + generator.integers(2, 5)] = generator.uniform(0.5, 1)
    path = tmp_path_factory.mktemp("data") / "squares.npz"
    np.savez(path, x=images)
    return path


@pytest.fixture(scope="module")
def run(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny-scan"
    metrics = training.train(recipe(source), folder, verbose=False)
    return folder, metrics


def test_the_run_folder_is_a_model_with_its_operator_and_bound(run):
    folder, metrics = run
    model = zoo.load(folder)
    assert model.get_layer("tikhonov").operator == lipzoo.inverse.Tomography(12, 4)
    assert lipzoo.lipschitz_bound(model).value == pytest.approx(metrics["lipschitz_bound"])
    assert (folder / "curves.png").stat().st_size > 0


def test_the_metrics_compare_methods_on_the_same_examples(run):
    folder, metrics = run
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    test = metrics["test"]
    assert metrics["task"] == "reconstruction"
    assert test["examples"] == 12
    assert list(test["methods"]) == ["InvNet", "Tikhonov", "Tikhonov, equal bound", "TV"]
    own, equal = test["methods"]["InvNet"], test["methods"]["Tikhonov, equal bound"]
    assert equal["lipschitz_bound"] == pytest.approx(own["lipschitz_bound"], rel=1e-4)
    for row in test["methods"].values():
        assert row["psnr"] > 5
        assert 0 < row["relative_error"] < 1
        if row["lipschitz_bound"] is not None:
            assert 0 < row["worst_movement"] <= row["certified_movement"] * (1 + 1e-9)
    assert test["methods"]["Tikhonov"]["psnr"] >= equal["psnr"] - 0.5


def test_the_numbers_are_those_of_the_saved_model(run, source):
    folder, metrics = run
    task = task_of(
        parse_recipe(recipe(source)), load_data(parse_recipe(recipe(source)).data, labelled=False)
    )
    y, x = task.test()
    error = np.mean((zoo.load(folder).predict(y, verbose=0) - x) ** 2, axis=(1, 2, 3))
    assert metrics["test"]["methods"]["InvNet"]["psnr"] == pytest.approx(
        -10 * np.log10(error).mean(), abs=1e-3
    )


def test_noise_depends_on_the_split_and_has_the_stated_size(source):
    settings = parse_recipe(recipe(source, noise=0.5))
    task = ReconstructionTask(settings, load_data(settings.data, labelled=False))
    y, x = task.measured("test")
    np.testing.assert_array_equal(y, task.measured("test")[0])
    exact = np.asarray(task.operator.apply(x))
    train = np.asarray(task.operator.apply(task.dataset.inputs(task.dataset.train)))
    assert task.standard_deviation == pytest.approx(0.5 * np.sqrt(np.mean(train**2)), rel=1e-4)
    assert np.std(y - exact) == pytest.approx(task.standard_deviation, rel=0.1)
    twice, _ = task.measured("test", noise=2.0)
    np.testing.assert_allclose(twice - exact, 2 * (y - exact), atol=1e-5)


def test_batches_measure_anew_in_every_epoch_and_repeat_themselves(source):
    settings = parse_recipe(recipe(source))
    task = ReconstructionTask(settings, load_data(settings.data, labelled=False))
    first, again = task.batches(), task.batches()
    for batches in (first, again):
        batches.start_epoch(1)
    np.testing.assert_array_equal(first[0][0], again[0][0])
    y, x = first[0]
    again.start_epoch(2)
    assert not np.array_equal(y, again[0][0])
    np.testing.assert_allclose(y, np.asarray(task.operator.apply(x)), atol=0.2)


def test_images_need_no_labels_wherever_they_come_from(source, tmp_path):
    images = np.load(source)["x"]
    np.save(tmp_path / "squares.npy", images)
    np.savez(tmp_path / "one_class.npz", x=images, y=np.zeros(120, int))
    (tmp_path / "folder").mkdir()
    for number, image in enumerate(np.round(255 * images[..., 0]).astype("uint8")):
        Image.fromarray(image).save(tmp_path / "folder" / f"{number:03}.png")
    everything = {image.tobytes() for image in images}
    for name in ("squares.npy", "one_class.npz", "folder"):
        settings = parse_recipe(recipe(tmp_path / name))
        data = load_data(settings.data, labelled=False)
        parts = (data.train, data.validation, data.test)
        assert sum(map(len, parts)) == 120
        if name != "folder":
            assert {image.tobytes() for part in parts for image in part.x} == everything
        _, x = ReconstructionTask(settings, data).test()
        assert x.shape == (12, 12, 12, 1)
        np.testing.assert_allclose(x, data.inputs(data.test)[:12], atol=0)
    assert set(data.test.origin) <= {f"{number:03}.png" for number in range(120)}
    with pytest.raises(training.DataError, match="expected a label for every example"):
        load_data(settings.data)


def test_recipes_that_do_not_fit_are_refused(source, tmp_path):
    with pytest.raises(RecipeError, match=r"training\.loss\.name.*mean_squared_error"):
        parse_recipe(recipe(source, loss="offset_cross_entropy"))
    with pytest.raises(RecipeError, match=r"training\.loss\.name"):
        parse_recipe(recipe(source, noise=0.0))
    with pytest.raises(RecipeError, match=r"measurement\.noise.*at least 0"):
        parse_recipe(recipe(source, noise=-0.1))
    with pytest.raises(training.TrainingError, match="expected one of images of shape"):
        training.train(recipe(source, size=13), tmp_path / "run", verbose=False)
    text = recipe(source).replace('class_name = "Tomography"', 'class_name = "Tomografy"')
    with pytest.raises(training.TrainingError, match="unknown class_name 'Tomografy'"):
        training.train(text, tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()


def test_the_command_line_measures_a_reconstruction_again(run, capsys):
    folder, metrics = run
    assert lipzoo_cli.main(["evaluate", str(folder), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    own = metrics["test"]["methods"]["InvNet"]
    assert again["test"]["methods"]["InvNet"]["psnr"] == pytest.approx(own["psnr"], abs=1e-3)
    assert lipzoo_cli.main(["evaluate", str(folder)]) == 0
    assert f"{own['psnr']:.2f}" in capsys.readouterr().out
    assert lipzoo_cli.main(["evaluate", str(folder), "--epsilon", "0.1"]) == 2
    assert "--epsilon is a radius for classifiers" in capsys.readouterr().err


def test_the_command_line_says_when_the_numbers_are_others(run, tmp_path, capsys):
    folder = tmp_path / "altered"
    shutil.copytree(run[0], folder)
    values = json.loads((folder / "metrics.json").read_text())
    values["test"]["methods"]["TV"]["psnr"] += 1.0
    (folder / "metrics.json").write_text(json.dumps(values))
    assert lipzoo_cli.main(["evaluate", str(folder)]) == 1
    assert "recomputed numbers differ" in capsys.readouterr().err


def test_a_recipe_of_another_task_than_the_models_is_refused(run, tmp_path, capsys):
    folder = tmp_path / "mixed"
    shutil.copytree(run[0], folder)
    assert json.loads((folder / "config.json").read_text())["task"] == "reconstruction"
    (folder / "recipe.toml").write_text(recipe_text("a.npz"))
    assert lipzoo_cli.main(["evaluate", str(folder)]) == 2
    assert "task, reconstruction, as config.json says" in capsys.readouterr().err
