"""The command line: exit codes, messages of one line, and fast help."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo_cli.parser import USAGES
from tests.helpers import in_float64
from tests.tiny_runs import recipe_text, write_blobs

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder, made by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    source = write_blobs(folder / "blobs.npz")
    (folder / "tiny.toml").write_text(recipe_text(source))
    out = folder / "run"
    assert lipzoo_cli.main(["train", str(folder / "tiny.toml"), "--out", str(out)]) == 0
    return out


def _fails(capsys, arguments, code=2):
    """Runs a command that fails; returns what it says."""
    assert lipzoo_cli.main([str(argument) for argument in arguments]) == code
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


@pytest.mark.parametrize("command", [(), *((command,) for command in USAGES)])
def test_help_has_an_example(command, capsys):
    assert lipzoo_cli.main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert ("exit codes:" if not command else f"example:\n  lipzoo {command[0]}") in text


def test_help_does_not_import_keras():
    program = (
        "import sys, time; start = time.process_time(); import lipzoo_cli; "
        "lipzoo_cli.main(['train', '--help']); lipzoo_cli.main(['nonsense']); "
        "assert not {'keras', 'numpy', 'lipzoo'} & set(sys.modules); "
        "assert time.process_time() - start < 0.5"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True)


def test_terminal_shows_no_messages_of_the_backend(tmp_path):
    command = [sys.executable, "-m", "lipzoo_cli", "train", str(tmp_path / "none.toml")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == f"lipzoo: {tmp_path / 'none.toml'}: no such recipe file\n"
    assert result.stdout == ""


def test_usage_errors(capsys):
    assert lipzoo_cli.main([]) == 2
    assert "lipzoo" in capsys.readouterr().err
    message = _fails(capsys, ["trian"])
    assert "invalid choice" in message
    assert message.endswith("Did you mean 'train'?\n")
    assert "Did you mean" not in _fails(capsys, ["list", "--lnog"])
    assert "required: recipe" in _fails(capsys, ["train"])
    assert lipzoo_cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == lipzoo.__version__


def test_input_errors_are_one_line(capsys, tmp_path):
    cases = [
        (["train", "no-such-recipe"], "neither a .toml file nor the name of a bundled recipe"),
        (["recipe", "pneumonia"], "Did you mean 'gradflow-pneumonia'?"),
        (
            ["train", "gradflow-digits", "--data", "a.csv", "--out", tmp_path / "a"],
            "no such file",
        ),
        (["promote", tmp_path], "expected a finished run"),
        (["evaluate", "gradflow-nothing"], "gradflow-nothing"),
        (["evaluate", tmp_path], str(tmp_path)),
        (["info", "gradflow-nothing"], "gradflow-nothing"),
        (["list", "nothing-*"], "no model matches 'nothing-*'"),
    ]
    for arguments, expected in cases:
        message = _fails(capsys, arguments)
        assert expected in message
        assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "a").exists()


def test_a_recipe_is_printed_as_it_is(capsys):
    assert lipzoo_cli.main(["recipe", "gradflow-digits"]) == 0
    text = (ROOT / "recipes" / "gradflow-digits.toml").read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    assert lipzoo_cli.main(["recipe", "gradflow-digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "gradflow-digits", "recipe": text}


def test_evaluate_recomputes_the_numbers_of_the_run(finished, capsys):
    assert lipzoo_cli.main(["evaluate", str(finished), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    metrics = json.loads((finished / "metrics.json").read_text())
    assert result["test"] == metrics["test"]
    assert result["data"]["sha256"] == metrics["data"]["sha256"]
    assert lipzoo_cli.main(["evaluate", str(finished), "--epsilon", "0"]) == 0
    text = capsys.readouterr().out
    assert f"{100 * metrics['test']['clean']:.2f} %" in text
    assert "test, float32" in text


@in_float64
def test_evaluate_in_float64(finished, capsys):
    assert lipzoo_cli.main(["evaluate", str(finished), "--dtype", "float64", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    metrics = json.loads((finished / "metrics.json").read_text())
    assert result["dtype"] == "float64"
    assert result["test_float64"] == metrics["test_float64"]
    assert "test" not in result
    assert lipzoo_cli.main(["evaluate", str(finished), "--dtype", "float64"]) == 0
    assert "test, float64" in capsys.readouterr().out
    assert "invalid choice" in _fails(capsys, ["evaluate", finished, "--dtype", "float16"])


def test_evaluate_takes_a_folder_without_a_separator(finished, capsys, monkeypatch):
    monkeypatch.chdir(finished.parent)
    assert lipzoo_cli.main(["evaluate", "run"]) == 0
    assert "run: proven Lipschitz bound" in capsys.readouterr().out


def test_a_model_that_no_recipe_made_is_not_evaluated(capsys):
    message = _fails(capsys, ["evaluate", "denoiser-bsd-5"])
    assert "a model that a recipe trained" in message
    assert "lipzoo info" in message


def test_evaluate_on_other_data(finished, capsys, tmp_path):
    source = write_blobs(tmp_path / "other.npz", examples=60, seed=5)
    assert lipzoo_cli.main(["evaluate", str(finished), "--data", str(source), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"]["examples"] == 12
    wide = write_blobs(tmp_path / "wide.npz", features=7)
    message = _fails(capsys, ["evaluate", finished, "--data", wide])
    assert "expected examples of shape (5,). Received: shape=(7,)" in message
    more = write_blobs(tmp_path / "more.npz", classes=4)
    assert "labels from 0 to 2" in _fails(capsys, ["evaluate", finished, "--data", more])
    assert "0.x" in _fails(capsys, ["evaluate", finished, "--epsilon", "0.x"])


@in_float64
def test_evaluate_fails_when_the_published_numbers_are_not_reproduced(finished, capsys):
    path = finished / "metrics.json"
    original = path.read_text()
    metrics = json.loads(original)
    metrics["test"]["certified"]["0.5"] += 0.02
    del metrics["test_float64"]
    try:
        path.write_text(json.dumps(metrics))
        message = _fails(capsys, ["evaluate", finished], code=1)
        assert lipzoo_cli.main(["evaluate", str(finished), "--dtype", "float64"]) == 0
    finally:
        path.write_text(original)
    assert "not reproduced: certified 0.5" in message
    assert "metrics.json has no 'test_float64' to compare with" in capsys.readouterr().err


def test_promote_list_and_info(finished, capsys, tmp_path):
    command = ["promote", str(finished), "--weights", str(tmp_path / "weights")]
    assert lipzoo_cli.main(command) == 0
    assert "tiny-blobs" in capsys.readouterr().out
    entry = tmp_path / "weights" / "tiny-blobs"
    assert {"config.json", "model.safetensors"} <= {path.name for path in entry.iterdir()}
    assert lipzoo_cli.main(command) == 0  # the same weights again


def test_a_finished_run_is_not_overwritten(finished, capsys):
    recipe = finished / "recipe.toml"
    before = (finished / "model.safetensors").read_bytes()
    for option in ([], ["--resume"]):
        message = _fails(capsys, ["train", recipe, "--out", finished, *option])
        assert "this run is finished" in message
    assert (finished / "model.safetensors").read_bytes() == before


def test_data_option_changes_the_copy_of_the_recipe(capsys, tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 4))
    rows = np.column_stack([x, (x[:, 0] > 0).astype(int)])
    np.savetxt(tmp_path / "mine.csv", rows, delimiter=",")
    (tmp_path / "tiny.toml").write_text(recipe_text("elsewhere.npz", epochs=1))
    command = ["train", tmp_path / "tiny.toml", "--data", tmp_path / "mine.csv"]
    assert lipzoo_cli.main([*map(str, command), "--out", str(tmp_path / "run")]) == 0
    assert "mine.csv" in (tmp_path / "run" / "recipe.toml").read_text()
