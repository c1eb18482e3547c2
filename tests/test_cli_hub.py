"""The commands around the Hub, and `certify`: what they print, what they end with."""

import csv
import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub.utils import logging

import lipzoo
import lipzoo_cli
from lipzoo.data.examples import read_examples
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import DataError
from lipzoo.zoo.saving import save_model
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.registry import weights_folder
from tests.hub_client import MODEL, REPO, hub, model_files, no_waiting
from tests.hub_server import READER, WRITER

__all__ = ["hub", "no_waiting"]
ROOT = Path(__file__).parents[1]
ADDRESS = f"hf://{REPO}"


@pytest.fixture(autouse=True)
def _no_log():
    """The client's warnings of another attempt go to the stderr of the first test otherwise."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    yield
    logging.set_verbosity(before)


def run(capsys, *arguments, code=0):
    """Runs a command; returns what it prints, or what it says of an error."""
    capsys.readouterr()
    assert lipzoo_cli.main([str(argument) for argument in arguments]) == code
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    if code:
        line = printed.err.strip().splitlines()[-1]
        assert line.startswith("lipzoo: ")
        return line
    return json.loads(printed.out) if "--json" in arguments else printed.out


def test_reading_commands_answer_for_scripts_and_for_readers(capsys):
    names = run(capsys, "list").split()
    assert names == lipzoo.list_models()
    assert [model["name"] for model in run(capsys, "list", "--json")] == names
    long = run(capsys, "list", "gradflow-*", "--long").splitlines()
    assert len(long) == len(lipzoo.list_models("gradflow-*"))
    assert all("bound" in line and "certified" in line for line in long)
    assert run(capsys, "info", MODEL).rstrip() == str(lipzoo.info(MODEL))
    known = run(capsys, "info", MODEL, "--json")
    assert known["config"]["architecture"] == "HamNet"
    assert known["metrics"]["clean"] == lipzoo.info(MODEL).metrics.clean
    assert run(capsys, "card", MODEL).startswith(f"# {MODEL}\n")
    assert run(capsys, "card", MODEL, "--repo", REPO).startswith("---\nlibrary_name: keras\n")
    assert run(capsys, "card", MODEL, "--json")["card"] == run(capsys, "card", MODEL)
    assert "nothing to download" in run(capsys, "download", MODEL)


def test_a_typo_gives_the_nearest_names(capsys):
    for command in ("info", "card", "download", "verify"):
        line = run(capsys, command, "hamnet-swisroll", code=2)
        assert "Did you mean 'hamnet-swissroll'" in line
    for command in ("certify", "publish"):
        options = ["x.npy"] if command == "certify" else ["--repo", REPO]
        assert "Did you mean" in run(capsys, command, "hamnet-swisroll", *options, code=2)


def test_a_model_is_downloaded_verified_and_repaired(capsys, hub, tmp_path):
    commit = hub.add(REPO, model_files())
    text = run(capsys, "download", ADDRESS)
    assert f"{ADDRESS}@{commit} is in the cache: " in text
    assert text.count("checked") == len(model_files())
    hub.requests.clear()
    found = run(capsys, "download", f"{ADDRESS}@{commit}", "--offline", "--json")
    assert found["files"] == {file: len(content) for file, content in model_files().items()}
    assert run(capsys, "verify", ADDRESS, "--offline").endswith(": verified\n")
    path = (Path(found["folder"]) / "model.safetensors").resolve()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert "failed at model.safetensors" in run(capsys, "verify", ADDRESS, "--offline", code=1)
    np.save(tmp_path / "points.npy", np.zeros((3, 2), "float32"))
    line = run(capsys, "certify", ADDRESS, tmp_path / "points.npy", "--offline", code=2)
    assert f"lipzoo download {ADDRESS}@{commit} --force" in line
    assert hub.requests == []
    run(capsys, "download", f"{ADDRESS}@{commit}", "--force")
    result = run(capsys, "verify", ADDRESS, "--offline", "--json")
    assert result["passed"]
    assert result["where"] == f"{ADDRESS}@{commit}"


def test_trouble_with_the_hub_has_an_exit_code_of_its_own(capsys, hub, no_waiting):
    hub.add(REPO, model_files())
    for command in ("info", "card", "download", "verify", "evaluate"):
        line = run(capsys, command, "hf://someone/nothing", code=3)
        assert "does not exist, or it is private" in line
    assert "not in the cache" in run(capsys, "info", ADDRESS, "--offline", code=3)
    hub.fail("resolve", times=10_000)
    assert "internal trouble" in run(capsys, "download", ADDRESS, code=3)
    assert "Expected 'hf://owner/repo'" in run(capsys, "download", "hf://nothing", code=2)
    assert "no other revisions" in run(capsys, "info", MODEL, "--revision", "v1", code=2)


def test_publishing_shows_what_it_would_do_and_does_it(capsys, hub, monkeypatch, tmp_path):
    shutil.copytree(weights_folder() / MODEL, tmp_path / "run")
    monkeypatch.setenv("HF_TOKEN", WRITER)
    command = ["publish", tmp_path / "run", "--repo", REPO]
    text = run(capsys, *command, "--dry-run")
    planned = run(capsys, *command, "--dry-run", "--json")
    assert hub.requests == []
    assert WRITER not in text + json.dumps(planned)
    for file, record in planned["files"].items():
        assert file in text
        assert record["sha256"] in text
    assert planned["card"] in text
    text = run(capsys, *command)
    assert hub.files(REPO)["README.md"].decode() == planned["card"]
    revision = hub.repositories[REPO].head
    assert f"published: {ADDRESS}@{revision} (v1)" in text
    entry = json.loads(text.partition("registry.json:\n")[2])
    assert entry[MODEL]["revision"] == revision
    assert entry[MODEL]["files"] == planned["files"]
    hub.add(REPO, {**hub.files(REPO), "README.md": b"# mine"})
    assert "edited by hand and stays; --replace-card" in run(capsys, *command)
    again = run(capsys, *command, "--replace-card", "--tag", "paper", "--json")
    assert (again["tag"], again["card_kept"]) == ("paper", False)
    assert "has a tag 'paper' already" in run(capsys, *command, "--tag", "paper", code=3)
    monkeypatch.setenv("HF_TOKEN", READER)
    assert "no permission" in run(capsys, *command, code=3)
    assert "config.json', which does not exist" in run(
        capsys, "publish", tmp_path, "--repo", REPO, "--dry-run", code=2
    )
    assert "Expected a repository" in run(capsys, "publish", MODEL, "--repo", "roll", code=2)


@pytest.fixture
def digits(tmp_path):
    """Images as bytes without channel axis, with labels, in several kinds of file."""
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (12, 8, 8), "uint8"), np.arange(12) % 10
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "xy.npz", x=x, y=y)
    np.savez(tmp_path / "test.npz", x_test=x[..., None] / 255.0, y_test=y, x_train=x)
    rows = np.column_stack([x.reshape(12, -1) / 255.0, y])
    np.savetxt(tmp_path / "table.csv", rows, delimiter=",")
    return tmp_path, x[..., None].astype("float32") / np.float32(255), y


def test_a_users_data_are_certified(capsys, digits):
    folder, x, y = digits
    model = lipzoo.load("gradflow-digits")
    precise = lipzoo.load("gradflow-digits", dtype="float64")
    expected = lipzoo.certify(model, x, y, reference=precise, verbose=0)
    values = run(capsys, "certify", "gradflow-digits", folder / "xy.npz", "--epsilon", "1/10",
                 "--json")  # fmt: skip
    np.testing.assert_allclose(values["radius"], expected.radius, rtol=1e-6)
    assert values["prediction"] == expected.prediction.tolist()
    assert values["accuracy"] == expected.accuracy
    assert values["certified_accuracy"] == {"1/10": expected.certified_accuracy(0.1)}
    for file in ("x.npy", "test.npz"):
        other = run(capsys, "certify", "gradflow-digits", folder / file, "--json")
        np.testing.assert_allclose(other["radius"], expected.radius, rtol=1e-4, atol=1e-6)
        assert ("accuracy" in other) == (file == "test.npz")
    text = run(capsys, "certify", "gradflow-digits", folder / "xy.npz", "--examples", "3")
    rows = [line.split() for line in text[text.index("example  ") :].splitlines()[1:4]]
    radii = [float(row[2]) for row in rows]
    np.testing.assert_allclose(radii, values["radius"][:3], rtol=1e-4)
    assert [row[3] for row in rows] == [str(rival) for rival in values["rival"][:3]]
    in_float64 = run(
        capsys, "certify", "gradflow-digits", folder / "x.npy", "--dtype", "float64", "--json"
    )
    assert np.mean(in_float64["radius"]) >= np.mean(values["radius"])


def test_radii_are_written_to_files(capsys, digits):
    folder, _, y = digits
    values = run(capsys, "certify", "gradflow-digits", folder / "xy.npz", "--json")
    for name in ("radii.csv", "radii.npz"):
        command = ["certify", "gradflow-digits", folder / "xy.npz", "--out", folder / name]
        assert f"report: {folder / name}" in run(capsys, *command)
    rows = list(csv.DictReader(io.StringIO((folder / "radii.csv").read_text())))
    assert [float(row["radius"]) for row in rows] == values["radius"]
    assert [row["class"] for row in rows] == [str(p) for p in values["prediction"]]
    assert {row["norm"] for row in rows} == {values["norm"]} == {"l2"}
    assert {row["units"] for row in rows} == {values["units"]} == {"pixels in [0, 1]"}
    assert values["standardized"] is False
    stored = np.load(folder / "radii.npz")
    assert (str(stored["norm"]), str(stored["units"])) == ("l2", "pixels in [0, 1]")
    assert stored["radius"].tolist() == values["radius"]
    assert stored["labels"].tolist() == y.tolist()
    assert float(stored["lipschitz_bound"]) == values["lipschitz_bound"]


def test_abstaining_is_counted_and_reported(capsys, digits):
    folder, _, y = digits
    data, out = folder / "xy.npz", folder / "report.json"
    radii = run(capsys, "certify", "gradflow-digits", data, "--json")["radius"]
    threshold = f"{np.median(radii):.6f}"
    command = ["certify", "gradflow-digits", data, "--abstain-below", threshold, "--out", out]
    values = run(capsys, *command, "--json")
    kept = np.array(values["radius"]) > float(threshold)
    right = np.array(values["prediction"]) == y
    assert values["abstains"] == (~kept).tolist()
    assert values["coverage"] == pytest.approx(kept.mean())
    assert values["selective_accuracy"] == pytest.approx(right[kept].mean())
    report = json.loads(out.read_text())
    assert [row["rival"] for row in report["examples"]] == values["rival"]
    assert [row["abstains"] for row in report["examples"]] == values["abstains"]
    text = run(capsys, *command)
    assert f"% covered, accuracy of these {100 * right[kept].mean():.2f} %" in text
    # The name of the column, and one for each that is shown.
    assert text.count("  abstains\n") == 1 + int((~kept[:20]).sum())
    cube = run(capsys, "certify", "gradflow-digits", data, "--norm", "linf", "--json")
    np.testing.assert_allclose(cube["radius"], np.array(values["radius"]) / 8, rtol=1e-4)
    assert cube["norm"] == "linf"


def test_named_data_and_tables_are_certified_too(capsys, tmp_path):
    values = run(
        capsys, "certify", "gradflow-digits", "sklearn:digits", "--examples", "30", "--json"
    )
    assert values["examples"] == 30
    assert values["accuracy"] > 0.8
    points = np.random.default_rng(1).normal(size=(40, 2))
    rows = [f"{a},{b},{'first arm' if a > 0 else 'second arm'}" for a, b in points]
    (tmp_path / "points.csv").write_text("\n".join(rows))
    values = run(capsys, "certify", MODEL, tmp_path / "points.csv", "--json")
    assert values["examples"] == 40
    (tmp_path / "points.csv").write_text("\n".join(rows).replace("second arm", "another"))
    line = run(capsys, "certify", MODEL, tmp_path / "points.csv", code=2)
    assert "expected classes among ['first arm', 'second arm']" in line


def test_radii_in_standard_deviations_say_what_they_are(capsys, tmp_path):
    deviation = np.array([0.5, 20.0])
    normalization = {"mean": [0.0, 100.0], "variance": (deviation**2).tolist()}
    arguments = {
        "input_shape": (2,),
        "num_classes": 3,
        "features": 8,
        "dense_depth": 1,
        "normalization": normalization,
    }
    units = {"scale": "as measured", "minimum": None, "maximum": None}
    config = ModelConfig("GradFlowNet", arguments, units, feature_names=("length", "weight"))
    save_model(tmp_path / "model", lipzoo.GradFlowNet(**arguments), config)
    x = np.random.default_rng(0).normal(size=(6, 2)) * deviation + [0.0, 100.0]
    np.save(tmp_path / "x.npy", x.astype("float32"))
    command = ["certify", tmp_path / "model", tmp_path / "x.npy", "--standardized"]
    values = run(capsys, *command, "--out", tmp_path / "radii.npz", "--json")
    run(capsys, *command, "--out", tmp_path / "radii.csv", "--norm", "linf")
    assert values["standardized"] is True
    assert values["units"].startswith("standard deviations")
    # Nobody is to take the bound of a part for that of the model.
    bound = values["lipschitz_bound_after_standardization"]
    assert "lipschitz_bound" not in values
    whole = lipzoo.lipschitz_bound(lipzoo.load(tmp_path / "model")).value
    assert whole == pytest.approx(bound / deviation.min(), rel=1e-3)
    assert "after the standardisation" in run(capsys, *command)
    alone = np.array([values["feature_radii"][name] for name in ("length", "weight")])
    np.testing.assert_allclose(alone, np.outer(deviation, values["radius"]), rtol=1e-6)
    stored = np.load(tmp_path / "radii.npz")
    assert np.array_equal(stored["feature_radii"].T, alone)
    assert stored["feature_names"].tolist() == ["length", "weight"]
    assert float(stored["lipschitz_bound_after_standardization"]) == bound
    rows = list(csv.DictReader(io.StringIO((tmp_path / "radii.csv").read_text())))
    assert {row["norm"] for row in rows} == {"linf"}
    assert [float(row["radius of weight"]) for row in rows] == alone[1].tolist()


def test_labels_that_are_numbers_are_matched_only_where_both_count_from_zero(tmp_path):
    names = {"counted": ("0", "1", "2"), "unknown": (), "named": ("setosa", "versicolor", "other")}
    arguments = {"input_shape": [1], "num_classes": 3}
    configs = {key: ModelConfig("MLP", arguments, class_names=names[key]) for key in names}
    for first, accepted in {0: ["counted", "unknown"], 1: []}.items():
        path = tmp_path / f"from{first}.csv"
        labels = np.arange(3) + first
        path.write_text("".join(f"0.5,{label}\n" for label in labels))
        for key, config in configs.items():
            if key in accepted:
                assert np.array_equal(read_examples(str(path), config)[1], labels)
                continue
            with pytest.raises(DataError, match=r"label_names.*Received"):
                read_examples(str(path), config)
        recipe = DataSettings(
            str(path), label_names=dict(zip(map(str, labels), names["named"], strict=True))
        )
        _, y = read_examples(str(path), configs["named"], recipe)
        assert np.array_equal(y, [0, 1, 2])


def test_data_that_do_not_fit_are_refused(capsys, tmp_path, digits):
    np.save(tmp_path / "wide.npy", np.zeros((3, 9, 9, 1), "float32"))
    np.save(tmp_path / "bright.npy", np.full((3, 8, 8, 1), 7.0, "float32"))
    np.save(tmp_path / "empty.npy", np.zeros((0, 8, 8, 1), "float32"))
    np.save(tmp_path / "nan.npy", np.full((3, 8, 8, 1), np.nan, "float32"))
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    np.savez(tmp_path / "names.npz", images=np.zeros(3))
    np.savez(tmp_path / "labels.npz", x=np.zeros((3, 8, 8, 1)), y=np.zeros(2))
    (tmp_path / "text.npy").write_text("hello")
    cases = {
        "nowhere.npy": "no such file",
        "wide.npy": "expected examples of shape (8, 8, 1), as the model takes them",
        "bright.npy": "Received",
        "empty.npy": "expected examples. Received: none",
        "nan.npy": "Received",
        "objects.npy": "not an .npy file of numbers",
        "text.npy": "expected a .npy file",
        "names.npz": "or x, y. Received: images",
        "labels.npz": "expected one label per example",
        "nowhere": "no such file or folder",
    }
    for file, message in cases.items():
        line = run(capsys, "certify", "gradflow-digits", tmp_path / file, code=2)
        assert message in line, line
    data = digits[0] / "xy.npz"
    options = {
        "--examples: expected a positive": ["--examples", "0"],
        "--out: expected a .csv, .json, .npz or .parquet": ["--out", "radii.txt"],
        "Expected a number or a fraction": ["--epsilon", "x"],
        "--out: expected a folder that exists": ["--out", tmp_path / "none" / "radii.csv"],
        "--abstain-below: expected a finite radius": ["--abstain-below", "-0.5"],
        "--epsilon: expected a finite radius": ["--epsilon", "inf"],
        "Normalization along the last axis": ["--standardized"],
    }
    for message, arguments in options.items():
        assert message in run(capsys, "certify", "gradflow-digits", data, *arguments, code=2)


def test_a_reader_of_the_pipe_may_go_away():
    command = f"{sys.executable} -m lipzoo_cli card gradflow-fmnist | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "# gradflow-fmnist\n"
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["radii.npz", "radii.csv", "radii.json"])
def test_an_interrupted_write_leaves_the_old_radii(capsys, digits, monkeypatch, name):
    folder = digits[0]
    (folder / name).write_bytes(b"old")
    before = sorted(folder.iterdir())

    def full(_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    command = ["certify", "gradflow-digits", folder / "xy.npz", "--out", folder / name]
    assert "no space left" in run(capsys, *command, code=2)
    assert (folder / name).read_bytes() == b"old"
    assert sorted(folder.iterdir()) == before
