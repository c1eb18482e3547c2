"""`lipzoo evaluate --attack`: its table, files and messages, and what it records."""

import csv
import importlib.util
import json
import shutil

import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo import training, zoo
from lipzoo_catalogue.cards import plain_card
from lipzoo_catalogue.registry import read_registry
from tests import zoo_models
from tests.tiny_runs import recipe_text, write_blobs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attack")
    training.train(recipe_text(write_blobs(folder / "blobs.npz")), folder / "run", verbose=False)
    return folder / "run"


def run(*arguments):
    return lipzoo_cli.main(["evaluate", *map(str, arguments)])


def test_the_table_is_that_of_the_test_split(finished, capsys, tmp_path):
    files = [tmp_path / name for name in ("a.png", "rows.csv")]
    options = ["--attack", "pgd", "--figure", files[0], "--out", files[1], "--json"]
    assert run(finished, *options) == 0
    values = json.loads(capsys.readouterr().out)
    metrics = json.loads((finished / "metrics.json").read_text())
    assert values["clean"] == metrics["test"]["clean"]
    assert values["certified"] == metrics["test"]["certified"]
    assert values["violations"] == []
    for name, share in values["attacked"].items():
        assert values["certified"][name] <= share <= values["clean"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(files[1].read_text().splitlines()))
    standing = [r["label"] == r["prediction"] and float(r["distance"] or "inf") > 0.5 for r in rows]
    assert np.mean(standing) == pytest.approx(values["attacked"]["0.5"])


def test_a_sample_at_other_radii(finished, capsys, tmp_path):
    path = tmp_path / "found.npz"
    options = ["--samples", 20, "--seed", 4, "--epsilon", "1/2", "--epsilon", "2", "--out", path]
    assert run(finished, "--attack", "pgd", *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "20 examples of 48 (every class its share, seed 4)" in lines[0]
    assert [line.split()[0] for line in lines[3:5]] == ["1/2", "2"]
    arrays = np.load(path)
    dataset = training.load_data(training.read_recipe(finished / "recipe.toml").data)
    np.testing.assert_array_equal(arrays["labels"], dataset.test.y[arrays["index"]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", "5"], "--samples goes with --attack"),
        (["--attack-certified"], "--attack-certified goes with --attack"),
        (["--record"], "--record goes with --attack"),
        (["--attack", "pgdd"], "Did you mean 'pgd'"),
        (["--attack", "pgd", "--samples", "0"], "samples"),
        (["--attack", "pgd", "--samples", "5000"], "samples"),
        (["--attack", "pgd", "--epsilon", "-1"], "epsilon"),
        (["--attack", "pgd", "--out", "rows.txt"], "--out"),
        (["--attack", "pgd", "--out", "nowhere/rows.csv"], "--out"),
        (["--attack", "pgd", "--figure", "curve.txt"], "--figure"),
        (["--attack", "pgd", "--figure", "nowhere/curve.png"], "--figure"),
        (["--attack", "pgd", "--record", "--dtype", "float64"], "--record"),
        (["--attack", "square"], "images"),
    ],
)
def test_mistakes_are_one_line(finished, options, message, capsys):
    if "square" in options and importlib.util.find_spec("art") is None:
        message = "[art]'"
    assert run(finished, *options) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]


def test_a_reconstruction_is_not_attacked(capsys):
    assert run("invnet-deblur1d", "--attack", "pgd") == 2
    assert "--attack is for classifiers" in capsys.readouterr().err


def test_results_are_recorded_for_the_card(finished, capsys, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    zoo.promote(folder, weights_dir=tmp_path / "weights")
    zoo_models.use_zoo(monkeypatch, tmp_path)
    before = read_registry(tmp_path / "weights")["tiny-blobs"]
    assert run("tiny-blobs", "--attack", "pgd", "--samples", 24, "--record", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    # The registry vouches for the new file, and nothing else changed.
    after = read_registry(tmp_path / "weights")["tiny-blobs"]
    changed = {name for name in after.files if after.files[name] != before.files[name]}
    assert changed == {"metrics.json"}
    info = lipzoo.info("tiny-blobs")
    assert info.metrics.sample.examples == 24
    assert info.metrics.sample.attack == "pgd (100 steps, 5 runs)"
    text = plain_card(info)
    share = f"{100 * values['attacked']['0.5']:.2f}"
    assert f"{share} |" in next(line for line in text.splitlines() if "| under attack" in line)
    assert "24 of the test examples" in text
    assert "24 examples under attack" in str(info)
    assert lipzoo.verify("tiny-blobs")
    # Measuring again keeps what was recorded.
    table = json.loads((tmp_path / "weights/tiny-blobs/metrics.json").read_text())["test_sample"]
    assert training.results.refresh_metrics(folder).get("test_sample") is None
    assert training.results.refresh_metrics(tmp_path / "weights/tiny-blobs")["test_sample"] == table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"examples": 51}, "test_sample.examples': expected at most 50"),
        ({"attacked": {"0.5": 0.5}}, "test_sample.attacked.0.5': expected at least"),
        ({"attacked": {"0.5": 0.95}}, "test_sample.attacked.0.5': expected at most"),
    ],
)
def test_a_wrong_record_is_refused(change, message):
    sample = {"examples": 10, "clean": 0.9, "certified": {"0.5": 0.6}, "attacked": {"0.5": 0.7}}
    zoo.Metrics.from_dict({**zoo_models.METRICS, "test_sample": sample})
    with pytest.raises(ValueError, match=message):
        zoo.Metrics.from_dict({**zoo_models.METRICS, "test_sample": {**sample, **change}})
