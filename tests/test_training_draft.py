"""`lipzoo init`: recipes for a user's own data that train as they are."""

import csv
import json

import numpy as np
import PIL.Image
import pytest

import lipzoo_cli
from lipzoo import training, zoo
from lipzoo.training.draft import draft_recipe
from lipzoo.training.recipe import RecipeError, parse_recipe
from tests.tiny_runs import blobs, unmeasured

__all__ = ["unmeasured"]


def write_table(folder):
    x, y = blobs(150)
    with open(folder / "My Ants 2.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [*map(float, row), ("red", "black", "wood")[label]]
            for row, label in zip(1000 * x, y, strict=True)
        )
    return "My Ants 2.csv", []


def write_signals(folder):
    generator = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = generator.normal(size=(60, 37)) + 5 * y[:, None]
    np.savez(folder / "waves.npz", x=x, y=y)
    return "waves.npz", ["--kind", "signal"]


def write_images(folder):
    generator = np.random.default_rng(0)
    for number in range(40):
        kind = folder / "pictures" / ("ant", "bee\x7f")[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 128, (20, 25, 3)) + 100 * (number % 2)
        PIL.Image.fromarray(pixels.astype("uint8")).save(kind / f"{number}.png")
    return "pictures", []


@pytest.mark.parametrize("write", [write_table, write_signals, write_images])
def test_a_recipe_for_own_data_trains_as_it_is(write, request, tmp_path, monkeypatch, capsys):
    if write is not write_table:
        # What is measured in the end does not depend on the kind of data.
        request.getfixturevalue("unmeasured")
    monkeypatch.chdir(tmp_path)
    source, options = write(tmp_path)
    assert lipzoo_cli.main(["init", "--data", source, *options, "--out", "mine.toml"]) == 0
    text = (tmp_path / "mine.toml").read_text()
    recipe = parse_recipe(text)
    assert recipe.data.source == source
    for key in ("dataset", "data_licence", "citation"):
        assert getattr(recipe.registry, key) == ""
    # Sizes stay; only the time is cut short.
    short = text.replace(f"epochs = {recipe.training.epochs}\n", "epochs = 1\n", 1)
    metrics = training.train(short, tmp_path / "run", verbose=False)
    assert metrics["data"]["content_sha256"] == recipe.registry.content_sha256
    config = zoo.read_config(tmp_path / "run")
    assert config.num_classes == len(config.class_names)
    assert (config.description, config.data_licence) == ("", "")
    # Never overwritten.
    capsys.readouterr()
    assert lipzoo_cli.main(["init", "--data", source, *options, "--out", "mine.toml"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "mine.toml").read_text() == text


@pytest.mark.usefixtures("unmeasured")
def test_a_reconstruction_is_drafted_too(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (30, 12, 11), "uint8")
    np.savez(tmp_path / "images.npz", x=images, y=np.arange(30) % 2)
    source = str(tmp_path / "images.npz")
    text = draft_recipe(source, "reconstruction", "validation = 0.2")
    recipe = parse_recipe(text)
    assert recipe.reconstructs
    assert recipe.data.validation == 0.2
    assert recipe.model.arguments["operator"]["config"]["image_shape"] == [12, 11, 1]
    epochs = f"epochs = {recipe.training.epochs}\n"
    training.train(text.replace(epochs, "epochs = 1\n"), tmp_path / "run", verbose=False)
    assert zoo.read_config(tmp_path / "run").task == "reconstruction"


def test_the_command_prints_where_the_recipe_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert lipzoo_cli.main(["init", "--data", "sklearn:iris", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "recipe": "iris.toml",
        "name": "iris",
        "kind": "table",
        "notes": ["the source has no test split: 30 examples were cut from it"],
    }


def test_further_lines_are_written_as_on_any_command_line_and_rows_left_out_are_named(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    rows = ["kind;a;b", *(f"{'no' if i % 2 else 'yes'};{i}.5;{-i}.25" for i in range(40))]
    (tmp_path / "a.csv").write_text("\n".join([*rows, "yes;;1.5"]))
    options = ["missing=drop", "label=kind", "ignore=b", "delimiter=;", "test_size = 6"]
    options += ['label_names = {no = "well", yes = "ill"}']
    line = [word for option in options for word in ("--set", option)]
    assert lipzoo_cli.main(["init", "--data", "a.csv", *line, "--kind", "table"]) == 0
    assert "1 row of a.csv left out: row 42 (no entry in column 'a')" in capsys.readouterr().out
    data = parse_recipe((tmp_path / "a.toml").read_text()).data
    assert (data.missing, data.label, data.ignore, data.delimiter) == ("drop", "kind", ("b",), ";")
    assert (data.test_size, data.label_names) == (6, {"no": "well", "yes": "ill"})
    for option in ("rubbish", "=3", 'label = "a"\nkind = "image"'):
        assert lipzoo_cli.main(["init", "--data", "a.csv", "--set", option, "--out", "b.toml"]) == 2
        assert "--set: expected KEY=VALUE. Received: " in capsys.readouterr().err
    assert not (tmp_path / "b.toml").exists()


def test_what_cannot_be_drafted_is_refused(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 5, 4)), y=np.arange(30) % 2)
    source = str(tmp_path / "a.npz")
    with pytest.raises(training.DataError, match='set kind = "image" or kind = "signal"'):
        draft_recipe(source)
    with pytest.raises(RecipeError, match=r"'data\.kinds'"):
        draft_recipe(source, data='kinds = "signal"')
    with pytest.raises(ValueError, match="at least 11 pixels a side"):
        draft_recipe(source, "reconstruction", 'kind = "image"')
    with pytest.raises(ValueError, match=r"Received: task='segmentation'"):
        draft_recipe(source, "segmentation")
    assert lipzoo_cli.main(["init", "--data", str(tmp_path / "none.csv")]) == 2
    assert "no such file" in capsys.readouterr().err
