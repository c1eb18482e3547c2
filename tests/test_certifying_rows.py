"""Reports say which row of the file each radius belongs to, and list rows that have none."""

import csv
import io
import json

import keras
import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo.training import load_data, parse_recipe, task_of
from lipzoo.training.results import model_config
from lipzoo.zoo.saving import save_model
from lipzoo_catalogue.model_config import ModelConfig
from tests.tiny_runs import recipe_text

# Line by line; examples stand in lines 2, 4, 5, 8 and 9.
PATIENTS = """age,dose,class
0.1,0.9,a
?,0.5,b
0.7,0.2,b
0.3,0.3,a

0.5,,a
0.2,0.1,b
0.9,0.8,a
0.4,0.6,?
"""
EXAMPLES = {2: (0.1, 0.9), 4: (0.7, 0.2), 5: (0.3, 0.3), 8: (0.2, 0.1), 9: (0.9, 0.8)}
LEFT_OUT = [3, 7, 10]


@pytest.fixture
def run(capsys):
    """Runs a command that succeeds; returns what it prints."""

    def run(*arguments):
        capsys.readouterr()
        assert lipzoo_cli.main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def model(tmp_path):
    return _saved(tmp_path)


def _saved(tmp_path, **names):
    """Folder of a model whose recipe leaves incomplete rows out."""
    keras.utils.set_random_seed(0)
    arguments = {"input_shape": (2,), "num_classes": 2, "depth": 1, "width": 8}
    units = {"scale": "as measured", "minimum": None, "maximum": None}
    folder = tmp_path / "model"
    config = ModelConfig("MLP", arguments, units, class_names=("a", "b"), **names)
    save_model(folder, lipzoo.MLP(**arguments), config)
    recipe = recipe_text("x.csv").replace("[data]", '[data]\nmissing = "drop"', 1)
    (folder / "recipe.toml").write_text(recipe)
    return folder


@pytest.fixture
def patients(tmp_path):
    (tmp_path / "patients.csv").write_text(PATIENTS)
    return tmp_path / "patients.csv"


def _alone(model):
    """The radius of each example, certified from an array."""
    x = np.array([*EXAMPLES.values()], "float32")
    reference = None if keras.backend.backend() == "torch" else lipzoo.load(model, dtype="float64")
    certificate = lipzoo.certify(lipzoo.load(model), x, reference=reference, verbose=0)
    return dict(zip(EXAMPLES, certificate.radius.tolist(), strict=True))


def test_every_radius_stands_beside_the_row_that_it_is_of(run, model, patients, tmp_path):
    radii = _alone(model)
    printed = run("certify", model, patients, "--out", tmp_path / "radii.csv")
    assert "left out, without a radius: 3 rows beside 5 examples: row 3 (" in printed
    table = printed[printed.index("example  ") :].splitlines()
    assert table[0].split()[:2] == ["example", "row"]
    assert [int(line.split()[1]) for line in table[1:6]] == [*EXAMPLES]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "radii.csv").read_text())))
    assert [int(row["row"]) for row in rows] == sorted([*EXAMPLES, *LEFT_OUT])
    for row in rows:
        number = int(row["row"])
        if number in LEFT_OUT:
            assert row["radius"] == row["prediction"] == row["example"] == ""
            assert row["left_out"]
        else:
            np.testing.assert_allclose(float(row["radius"]), radii[number], rtol=1e-5)
            assert row["left_out"] == ""
    run("certify", model, patients, "--out", tmp_path / "radii.json")
    stored = json.loads((tmp_path / "radii.json").read_text())
    assert [entry["row"] for entry in stored["examples"]] == [*EXAMPLES]
    assert [entry["row"] for entry in stored["left_out"]] == LEFT_OUT
    run("certify", model, patients, "--out", tmp_path / "radii.npz")
    arrays = np.load(tmp_path / "radii.npz")
    assert arrays["row"].tolist() == [*EXAMPLES]
    assert arrays["left_out"].tolist() == LEFT_OUT
    assert len(arrays["radius"]) == len(EXAMPLES)
    values = json.loads(run("certify", model, patients, "--json"))
    assert values["row"] == [*EXAMPLES]
    assert [entry["row"] for entry in values["left_out"]] == LEFT_OUT


@pytest.mark.parametrize("ending", ["csv", "json", "npz"])
def test_joined_parts_have_the_rows_of_the_whole(run, model, patients, tmp_path, ending):
    whole, joined = tmp_path / f"whole.{ending}", tmp_path / f"joined.{ending}"
    run("certify", model, patients, "--out", whole)
    parts = [tmp_path / f"part-{k}.npz" for k in (1, 2, 3)]
    for number, path in enumerate(parts, start=1):
        run("certify", model, patients, "--shard", f"{number}/3", "--out", path)
    printed = run("join", joined, *parts)
    assert "left out, without a radius: 3 rows" in printed
    if ending == "npz":
        stored, expected = np.load(joined), np.load(whole)
        assert stored.files == expected.files
        assert stored["row"].tolist() == expected["row"].tolist()
        assert stored["left_out"].tolist() == expected["left_out"].tolist()
    elif ending == "json":
        one, other = (json.loads(path.read_text()) for path in (joined, whole))
        assert one["left_out"] == other["left_out"]
        assert [e["row"] for e in one["examples"]] == [e["row"] for e in other["examples"]]
    else:
        one, other = ([*csv.DictReader(path.read_text().splitlines())] for path in (joined, whole))
        for key in ("example", "row", "prediction", "left_out"):
            assert [row[key] for row in one] == [row[key] for row in other]


def test_the_first_examples_have_their_rows_and_what_is_left_out_between(run, model, patients):
    values = json.loads(run("certify", model, patients, "--examples", "3", "--json"))
    assert values["row"] == [2, 4, 5]
    assert [entry["row"] for entry in values["left_out"]] == [3]


def test_the_command_line_says_how_a_table_is_read(run, model, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("c;u;v;n\na;0,5;1;x\nb;-9;1;y\nb;0,25;2;z\n")
    options = ("delimiter=;", "decimal=,", "label=c", 'columns=["u", "v"]', "missing_values=-9")
    reading = [part for option in (*options, "missing=drop") for part in ("--read", option)]
    values = json.loads(run("certify", model, tmp_path / "a.csv", *reading, "--json"))
    assert values["row"] == [2, 4]
    assert [entry["row"] for entry in values["left_out"]] == [3]
    command = ["certify", str(model), str(tmp_path / "a.csv"), "--read", "epochs=3"]
    assert lipzoo_cli.main(command) == 2
    assert "expected KEY=VALUE with a key among header" in capsys.readouterr().err


def test_columns_in_another_order_than_the_models_are_refused(run, tmp_path, capsys):
    model = _saved(tmp_path, feature_names=("height", "weight"))
    (tmp_path / "a.csv").write_text("weight,height,class\n0.5,1.5,a\n0.25,2,b\n")
    (tmp_path / "b.csv").write_text("height,weight,class\n1.5,0.5,a\n2,0.25,b\n")
    (tmp_path / "c.csv").write_text("one,other,class\n1.5,0.5,a\n2,0.25,b\n")
    expected = json.loads(run("certify", model, tmp_path / "b.csv", "--json"))["radius"]
    assert json.loads(run("certify", model, tmp_path / "c.csv", "--json"))["radius"] == expected
    command = ["certify", str(model), str(tmp_path / "a.csv")]
    assert lipzoo_cli.main(command) == 2
    advice = "`columns = ['height', 'weight']` takes them in it. Received: ['weight', 'height']"
    assert advice in capsys.readouterr().err
    columns = ["--read", "columns=['height', 'weight']"]
    assert json.loads(run(*command, *columns, "--json"))["radius"] == expected


def test_a_model_knows_the_columns_that_it_was_trained_on(tmp_path):
    rows = "".join(f"{i / 40},{i % 7},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "a.csv").write_text(f"height,weight,class\n{rows}")
    recipe = parse_recipe(recipe_text(tmp_path / "a.csv"))
    task = task_of(recipe, load_data(recipe.data))
    arguments = {"input_shape": [2], "num_classes": 2}
    assert model_config(recipe, task, arguments).feature_names == ("height", "weight")
