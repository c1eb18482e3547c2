"""What is said of a model does not outlive what it was said of."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import zoo
from tests import zoo_models
from tests.helpers import compile_fast

TEXTS = ("description", "dataset", "data_licence", "citation", "intended_use", "limitations")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    zoo_models.save_run(folder, citation="someone 1999", intended_use="this", limitations="that")
    for file in ("recipe.toml", "history.csv", "notes.txt"):
        (folder / file).write_text('name = "run"\n')
    (folder / "card.toml").write_text('notes = "by hand"\n')
    return folder


def fine_tuned(folder):
    model = zoo.load(folder)
    compile_fast(
        model, "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True
    )
    x = zoo_models.images((8, 8, 1), 8)
    model.fit(x, np.arange(8) % 5, epochs=1, verbose=0)
    return model


def test_a_fine_tuned_model_is_saved_without_the_texts_about_the_first(run, tmp_path):
    zoo.save_model(tmp_path / "other", fine_tuned(run))
    config = zoo.read_config(tmp_path / "other")
    assert config.description == "GradFlowNet made from run"
    assert not any(getattr(config, key) for key in TEXTS[1:])
    zoo.save_model(tmp_path / "same", zoo.load(run))
    same = zoo.read_config(tmp_path / "same")
    assert [getattr(same, key) for key in TEXTS] == [
        getattr(zoo.read_config(run), key) for key in TEXTS
    ]
    zoo.save_model(tmp_path / "double", zoo.load(run, dtype="float64"))
    assert zoo.read_config(tmp_path / "double") == same


@pytest.mark.parametrize("arguments", [{"weights": None}, {"num_classes": 3}])
def test_weights_that_were_not_loaded_have_no_texts(run, tmp_path, arguments):
    zoo.save_model(tmp_path / "other", zoo.load(run, **arguments))
    assert zoo.read_config(tmp_path / "other").dataset == ""


def test_other_weights_take_the_place_of_all_that_spoke_of_the_first(run):
    model = fine_tuned(run)
    zoo.save_model(run, zoo.load(run))
    assert (run / "recipe.toml").exists()
    assert (run / "card.toml").exists()
    zoo.save_model(run, model)
    assert {path.name for path in run.iterdir()} == {
        "card.old.toml",
        "certificate.json",
        "config.json",
        "model.safetensors",
        "notes.txt",
    }
    assert (run / "card.old.toml").read_text() == 'notes = "by hand"\n'


def test_results_of_other_weights_are_noticed(run, tmp_path):
    assert lipzoo.verify(run).passed
    zoo_models.save_run(tmp_path / "other", seed=1)
    other = (tmp_path / "other" / "metrics.json").read_bytes()
    (run / "metrics.json").write_bytes(other)
    found = [check.what for check in lipzoo.verify(run).checks if not check.passed]
    assert found == ["test results"]
    for use in (
        lambda: lipzoo.info(run),
        lambda: zoo.promote(run, "run", weights_dir=tmp_path / "weights"),
        lambda: zoo.publishing.prepare(run, "someone/run"),
    ):
        with pytest.raises(ValueError, match="expected results of the weights beside it"):
            use()


def test_a_configuration_of_another_function_is_not_saved(tmp_path):
    model = zoo_models.small_model()
    other = zoo_models.small_config(arguments={**zoo_models.ARGUMENTS, "activation": "leaky_relu"})
    with pytest.raises(ValueError, match="expected the function that the model computes"):
        zoo.save_model(tmp_path / "other", model, other)
    assert not (tmp_path / "other").exists()


def test_what_nobody_stated_is_asked_for_and_may_be_stated_by_hand(tmp_path):
    folder = tmp_path / "run"
    zoo_models.save_run(folder, description="", dataset="", data_licence="")
    for use in (
        lambda: zoo.publishing.prepare(folder, "someone/run"),
        lambda: zoo.promote(folder, "run", weights_dir=tmp_path / "weights"),
    ):
        with pytest.raises(ValueError, match=r"card\.toml: .*description = .*data_licence = "):
            use()
    (folder / "card.toml").write_text(
        'description = "Ants"\ndataset = "My ants: 50"\ndata_licence = "CC0"\ncitation = "Me"\n'
    )
    package = zoo.publishing.prepare(folder, "someone/run")
    for text in ("Ants", "My ants: 50", "CC0", "| citation of the data | Me |"):
        assert text in package.card
    assert zoo.promote(folder, "run", weights_dir=tmp_path / "weights").name == "run"
