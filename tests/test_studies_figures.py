import dataclasses
import itertools
import json
import re
import time

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.data.dataset import load_data
from lipzoo.training import read_recipe
from lipzoo.zoo import info, list_models
from lipzoo_catalogue.cards import model_cards
from studies import answers, norms, plain, render, startup, swissroll, swissroll_figure
from studies.timing import interleaved, paired_ratio
from tests import zoo_models

TABLE = re.compile(r"(<!-- table: \w+ -->\n).*?(<!-- end of table -->)", re.DOTALL)


def test_documents_show_the_numbers_of_the_files():
    texts = [path.read_text(encoding="utf-8") for path in render.DOCUMENTS]
    found = [len(re.findall(TABLE, text)) for text in texts]
    assert found == [len(re.findall("<!-- table: ", text)) for text in texts]
    assert sum(found) >= 25
    for text in texts:
        # From the files alone, since nothing of the tables is left.
        assert render.render(re.sub(TABLE, r"\1\2", text)) == text, "run: python -m studies.render"


def test_the_model_cards_are_those_of_the_files():
    assert render.CARDS.read_text(encoding="utf-8") == model_cards(map(info, list_models())), (
        "run: python -m studies.render"
    )
    assert render.main(["--check"]) == 0


def test_tables_have_a_row_for_each_arithmetic(tmp_path, monkeypatch):
    zoo_models.make_zoo(tmp_path, "gradflow-fmnist")
    zoo_models.use_zoo(monkeypatch, tmp_path)
    first, second = render.zoo_table().splitlines()[2:]
    assert "`gradflow-fmnist`" in first
    # At 0.1, 0.25, 0.5, 1.0 and 2.0, of which one was measured.
    assert first.endswith("| float32 | 90.0 |  |  | 60.0 |  |  |")
    assert second.endswith("|  | 50 | float64 | 90.0 |  |  | 64.0 |  |  |")
    rows = render.published_table().splitlines()[2:]
    assert rows[0] == (
        "| **lipzoo, `gradflow-fmnist`**, float32, rounding included | 90.0 | 80.0 | 60.0 |"
    )
    assert rows[1].endswith("float64, rounding included | 90.0 | 82.0 | 64.0 |")
    assert len(rows) == 4


def test_answers_are_measured_in_processes_of_their_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(answers, "COMMANDS", (["list"],))
    answers.main(["--processes", "1", "--output", str(tmp_path / "answers.json")])
    found = json.loads((tmp_path / "answers.json").read_text())
    assert 0 < found["commands"]["lipzoo list"] < 30
    assert 0 < found["import_beyond_keras_seconds"] < 30
    assert set(json.loads(answers.RESULTS.read_text())) == set(found)


def test_certifying_again_is_measured_beside_predicting(tmp_path):
    output = tmp_path / "startup.json"
    startup.main(["--quick", "--models", "branched", "--output", str(output)])
    branched = json.loads(output.read_text())["models"]["branched"]
    # Six blocks of five layers, one before them and two behind.
    assert branched["calls"] == 6 * 5 + 3
    for row in (branched["few"], branched["many"]):
        expected = row["certify_seconds"] / row["predict_seconds"]
        assert row["ratio"] == pytest.approx(expected, rel=0.02)


def test_times_are_taken_in_turns():
    order = []
    functions = {
        "slow": lambda: (order.append("slow"), time.sleep(0.02)),
        "fast": lambda: (order.append("fast"), time.sleep(0.01)),
    }
    seconds = interleaved(functions, rounds=4, warmup=1)
    assert [len(values) for values in seconds.values()] == [4, 4]
    assert order[2:6] in (["slow", "fast", "fast", "slow"], ["fast", "slow", "slow", "fast"])
    ratio = paired_ratio(seconds, "slow", "fast")
    assert ratio["quartiles"][0] <= ratio["ratio"] <= ratio["quartiles"][1]
    assert 1.2 < ratio["ratio"] < 3.5


def test_the_plain_network_is_the_same_function():
    model = lipzoo.GradFlowNet((12, 12, 1), 4, width=8, axial_units=12, features=20)
    x = np.random.default_rng(0).random((5, 12, 12, 1), "float32")
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(
        plain.plain_model(model).predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("size", "strides"), [(3, 1), (2, 1), (5, 2), (3, 2)])
def test_the_supremum_is_approached_by_exact_norms_of_growing_images(size, strides):
    kernel = np.random.default_rng(size).standard_normal((size, size, 2, 3))
    strides = (strides, strides)
    highest = norms.supremum(kernel, strides)
    exact = [norms.exact_norm(kernel, (n, n), strides) for n in (4, 8, 12)]
    assert all(first <= second for first, second in itertools.pairwise([*exact, highest]))
    assert exact[-1] > 0.9 * highest
    expected = keras.ops.conv(np.zeros((1, 4, 4, 2)), kernel, strides, "same").shape[1]
    assert expected == -(-4 // strides[0])


def test_the_swiss_roll_study_is_that_of_its_recipe_and_reaches_what_it_shows():
    results = json.loads(swissroll.RESULTS.read_text())
    recipe = read_recipe(swissroll.RECIPE)
    assert results["recipe_sha256"] == recipe.sha256()
    assert list(results["networks"]) == list(swissroll.networks(recipe))
    hamnet, mlp, _, _ = results["networks"].values()
    assert hamnet["mean_test_accuracy"] >= 0.995
    assert min(hamnet["smallest_backward_norm"], hamnet["smallest_forward_norm"]) >= 1 - 1e-5
    assert mlp["smallest_backward_norm"] < 1e-2


def test_a_network_of_the_swiss_roll_study_is_trained_and_measured():
    recipe = read_recipe(swissroll.RECIPE)
    training = dataclasses.replace(recipe.training, epochs=2, warmup_epochs=0)
    recipe = dataclasses.replace(recipe, training=training)
    dataset = load_data(recipe.data)
    arguments = {**recipe.model.arguments, "depth": 2}
    trained = swissroll.train(recipe, dataset, "HamNet", arguments, seed=0)
    result = swissroll.summary([trained], dataset.test)
    assert len(result["smallest_backward_norm_by_epoch"]) == 3
    assert result["smallest_backward_norm"] >= 1 - 1e-5
    (over_layers, over_epochs) = swissroll_figure.draw({"HamNet": result}).axes
    assert [*over_epochs.lines[0].get_ydata()] == result["smallest_backward_norm_by_epoch"]
    norms = result["backward_norm_by_layer_after_training"]
    assert [*over_layers.lines[0].get_ydata()] == norms["median"]
