"""Runs: the same weights whether killed or not, and nothing half-written."""

import contextlib
import errno
import io
import json
import os
import shutil
import signal
import time

import keras
import numpy as np
import pytest
from sklearn.metrics import recall_score
from sklearn.utils.class_weight import compute_class_weight

import lipzoo
import lipzoo_cli
from lipzoo import training, zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.constraints import project
from lipzoo.training import run, run_folder
from lipzoo.training.model import compile_model, schedule
from lipzoo.training.recipe import parse_recipe
from lipzoo.training.results import refresh_metrics
from lipzoo.training.settings import AugmentSettings, RestartSettings, TrainingSettings
from lipzoo.training.tasks import classification
from lipzoo_catalogue.cards import plain_card
from tests.helpers import tensorflow_only
from tests.processes import COMMAND, Fresh
from tests.tiny_runs import blobs, recipe_text, unmeasured, write_blobs

__all__ = ["unmeasured"]
FILES = {
    "certificate.json",
    "config.json",
    "curves.png",
    "history.csv",
    "history.json",
    "metrics.json",
    "model.safetensors",
    "recipe.toml",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_blobs(tmp_path_factory.mktemp("data") / "blobs.npz")


def _weights(folder):
    return zoo.read_weights(folder / "model.safetensors")


def _assert_same_weights(first, second):
    first, second = _weights(first), _weights(second)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=0, atol=1e-6)


class _Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def _kill_at_checkpoint(monkeypatch, number, error):
    """Raises `error` when checkpoint `number` is half written."""
    calls = []
    savez = np.savez

    def failing(file, **arrays):
        calls.append(file)
        if len(calls) == number:
            file.write(b"the first half")
            raise error
        savez(file, **arrays)

    monkeypatch.setattr(run_folder.np, "savez", failing)


@pytest.fixture(scope="module")
def finished(source, tmp_path_factory):
    """The folder of a run, its metrics and what was printed meanwhile."""
    folder, printed = tmp_path_factory.mktemp("finished") / "run", io.StringIO()
    with contextlib.redirect_stdout(printed):
        metrics = training.train(recipe_text(source), folder)
    return folder, metrics, printed.getvalue()


def test_run_folder_is_complete_and_true(source, finished):
    folder, metrics, printed = finished
    assert {path.name for path in folder.iterdir()} == FILES
    assert "epoch 3/3" in printed
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert (folder / "recipe.toml").read_text() == recipe_text(source)
    zoo.Metrics.from_dict(metrics)

    dataset = training.load_data(parse_recipe(recipe_text(source)).data)
    assert metrics["data"]["sha256"] == dataset.fingerprint()
    assert metrics["lipschitz_bound"] <= 1.0
    assert {"python", "keras", "numpy", "lipzoo"} <= set(metrics["versions"])
    model = zoo.load(folder)
    assert float(lipschitz_bound(model)) == pytest.approx(metrics["lipschitz_bound"], rel=1e-9)
    for name in ("validation", "test"):
        split = getattr(dataset, name)
        x, y = dataset.inputs(split), split.y
        logits = model.predict(x, verbose=0)
        assert metrics[name]["clean"] == pytest.approx(np.mean(logits.argmax(1) == y))
        assert metrics[name]["examples"] == len(y)
        shares = lipzoo.certificates.certify(model, x, y, verbose=0).certified_accuracy([0.5])
        assert metrics[name]["certified"]["0.5"] == pytest.approx(shares[0])
    double = zoo.load(folder, dtype="float64")
    certificate = lipzoo.certify(double, x, y, verbose=0)
    assert metrics["test_float64"]["certified"]["0.5"] == certificate.certified_accuracy(0.5)
    assert metrics["test_float64"]["certified"]["0.5"] >= metrics["test"]["certified"]["0.5"]
    history = json.loads((folder / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[-1]["val_accuracy"] == pytest.approx(metrics["validation"]["clean"])
    assert {"loss", "val_certified_0.5", "lipschitz_bound", "learning_rate"} <= set(history[0])
    assert history[-1]["loss"] < history[0]["loss"]


def test_an_older_run_gets_the_tables_of_today(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text())
    older = {key: value for key, value in metrics.items() if key != "test_float64"}
    path.write_text(json.dumps({**older, "test": {}, "seed": 17}))
    assert refresh_metrics(folder) == {**metrics, "seed": 17}
    again = json.loads(path.read_text())
    assert again == {**metrics, "seed": 17}
    assert list(again) == list(metrics)
    path.write_text(json.dumps({**metrics, "data": {"sha256": "0" * 64}}))
    with pytest.raises(training.DataError, match="expected the data of the run"):
        refresh_metrics(folder)
    for text, received in (("{}", "no keys"), ('{"name": "a", "data": 1}', "name, data")):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"expected a run's metrics.*Received: {received}"):
            refresh_metrics(folder)
        assert path.read_text() == text


def test_what_was_seen_in_training_is_reported_apart(tmp_path, monkeypatch, capsys):
    x, y = blobs(examples=200)
    x[170:185], y[170:185] = x[:15], y[:15]
    splits = {"train": slice(0, 140), "val": slice(140, 170), "test": slice(170, 200)}
    arrays = {f"{a}_{k}": v[part] for a, v in (("x", x), ("y", y)) for k, part in splits.items()}
    np.savez(tmp_path / "twins.npz", **arrays)
    metrics = training.train(
        recipe_text(tmp_path / "twins.npz", epochs=1), tmp_path / "run", verbose=False
    )
    model = zoo.load(tmp_path / "run")
    for key in ("test", "test_float64"):
        table = metrics[key]
        assert (table["examples"], table["seen"], table["unseen"]["examples"]) == (30, 15, 15)
        reference = zoo.load(tmp_path / "run", dtype="float64")
        certificate = lipzoo.certify(
            model if key == "test" else reference,
            x[185:],
            y[185:],
            reference=reference if key == "test" else None,
            verbose=0,
        )
        assert table["unseen"]["clean"] == certificate.accuracy
        assert table["unseen"]["certified"]["0.5"] == certificate.certified_accuracy(0.5)
    assert "seen" not in metrics["validation"]
    known = zoo.info(tmp_path / "run")
    assert known.metrics.unseen.examples == 15
    card = plain_card(known)
    assert card.index("the unseen examples, certified") < card.index("all examples, certified")
    assert "15 of the 30 test examples also stand in the training or validation split" in card
    assert "float32, unseen" in str(known)
    assert lipzoo_cli.main(["evaluate", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert "test, float32, unseen" in printed
    assert "15 of the test examples also stand in train or validation" in printed


def test_a_backend_without_float64_leaves_its_table_out(source, tmp_path, monkeypatch):
    monkeypatch.setattr(classification, "computes_in_float64", lambda: False)
    metrics = training.train(recipe_text(source, epochs=1), tmp_path / "run", verbose=False)
    assert "test_float64" not in metrics
    zoo.Metrics.from_dict(metrics)


@pytest.mark.parametrize(
    "settings",
    # Without any of them: when a real process ends, below.
    [
        "ema = 0.9\naugment = {shift = 0}\nweight_decay = 0.01",
        "restart = {epochs = 2, learning_rate = 0.01}",
        "adversary = {epsilon = 0.5, steps = 2}",
        'optimizer = "stiefel_muon"\nema = 0.9\nstiefel_muon = {momentum = 0.9}',
    ],
)
@pytest.mark.usefixtures("unmeasured")
def test_killed_and_resumed_is_the_same_as_not_killed(source, settings, tmp_path, monkeypatch):
    text = recipe_text(source, epochs=2 if "restart" in settings else 4, training=settings)
    training.train(text, tmp_path / "whole", verbose=False)
    with monkeypatch.context() as patch:
        _kill_at_checkpoint(patch, 3, _Killed())
        with pytest.raises(_Killed):
            training.train(text, tmp_path / "killed", verbose=False)
    assert not (tmp_path / "killed" / "metrics.json").exists()
    keras.utils.set_random_seed(99)
    training.train(text, tmp_path / "killed", resume=True, verbose=False)
    _assert_same_weights(tmp_path / "whole", tmp_path / "killed")
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in json.loads(path.read_text())]
        for path in (tmp_path / "whole/history.json", tmp_path / "killed/history.json")
    ]
    assert [row["epoch"] for row in rows[1]] == [1, 2, 3, 4]
    for first, second in zip(*rows, strict=True):
        assert first == pytest.approx(second, abs=1e-5)
    assert float(lipschitz_bound(zoo.load(tmp_path / "killed"))) <= 1.0


@pytest.mark.usefixtures("unmeasured")
def test_sigterm_and_sigkill_lose_nothing(source, tmp_path):
    text = recipe_text(source, epochs=4, batch_size=1)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    folder = tmp_path / "killed"

    def interrupt(signal_number, epochs, *options):
        process = Fresh(COMMAND, "train", recipe, "--out", folder, *options)
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and process.poll() is None:
            if (folder / run.CHECKPOINT).exists():
                state, _ = run_folder.read_checkpoint(folder / run.CHECKPOINT)
                if state["epochs_done"] >= epochs:
                    break
            time.sleep(0.01)
        process.send_signal(signal_number)
        message = process.communicate(timeout=120)[1]
        return process.returncode, message

    code, message = interrupt(signal.SIGTERM, 1)
    assert code == 143, message
    assert "continue with --resume" in message
    assert "Traceback" not in message
    assert interrupt(signal.SIGKILL, 2, "--resume")[0] == -signal.SIGKILL
    training.train(text, folder, resume=True, verbose=False)
    training.train(text, tmp_path / "whole", verbose=False)
    _assert_same_weights(tmp_path / "whole", folder)


def test_full_disk_keeps_the_previous_checkpoint(source, tmp_path, monkeypatch):
    text = recipe_text(source, epochs=3)
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        _kill_at_checkpoint(patch, 2, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with pytest.raises(run_folder.CheckpointError, match="No space left on device"):
            training.train(text, folder, verbose=False)
    assert {path.name for path in folder.iterdir()} == {run.CHECKPOINT, "recipe.toml"}
    assert run_folder.read_checkpoint(folder / run.CHECKPOINT)[0]["epochs_done"] == 1
    training.train(text, folder, resume=True, verbose=False)
    assert {path.name for path in folder.iterdir()} == FILES


def test_folder_of_another_run_is_refused(source, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "thesis.tex").write_text("")
    with pytest.raises(training.TrainingError, match="not empty"):
        training.train(recipe_text(source), folder, verbose=False)
    (folder / "thesis.tex").unlink()
    with monkeypatch.context() as patch:
        _kill_at_checkpoint(patch, 2, _Killed())
        with pytest.raises(_Killed):
            training.train(recipe_text(source), folder, verbose=False)
    with pytest.raises(training.TrainingError, match="not empty; continue its run with --resume"):
        training.train(recipe_text(source), folder, verbose=False)
    other = recipe_text(source, batch_size=8)
    with pytest.raises(training.TrainingError, match=r"keys differ: training\.batch_size"):
        training.train(other, folder, resume=True, verbose=False)
    content = (folder / run.CHECKPOINT).read_bytes()
    (folder / run.CHECKPOINT).write_bytes(content[: len(content) // 2])
    with pytest.raises(run_folder.CheckpointError, match="not a readable checkpoint"):
        training.train(recipe_text(source), folder, resume=True, verbose=False)


def test_changed_data_is_refused_on_resume(tmp_path, monkeypatch):
    source = write_blobs(tmp_path / "data.npz")
    with monkeypatch.context() as patch:
        _kill_at_checkpoint(patch, 2, _Killed())
        with pytest.raises(_Killed):
            training.train(recipe_text(source), tmp_path / "run", verbose=False)
    write_blobs(source, seed=1)
    with pytest.raises(training.TrainingError, match="the data changed"):
        training.train(recipe_text(source), tmp_path / "run", resume=True, verbose=False)


def test_diverged_training_is_an_error(source, tmp_path):
    text = recipe_text(source).replace("0.02", "1e38")
    with pytest.raises(training.DivergedError, match="after epoch 1"):
        training.train(text, tmp_path / "run", verbose=False)


def test_an_optimizer_for_other_networks_is_refused_before_the_first_step(source, tmp_path):
    text = recipe_text(source, training='optimizer = "stiefel_muon"')
    text = (
        text.replace('"GradFlowNet"', '"MLP"')
        .replace("dense_depth = 1", "")
        .replace("features = 8", "width = 8")
    )
    with pytest.raises(training.TrainingError, match="at least one kernel with an orthogonal"):
        training.train(text, tmp_path / "run", verbose=False)
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"GradFlowNet"', '"GradFlow"', "expected one of Denoiser, GradFlowNet"),
        ("dense_depth", "dense_deph", "has no 'dense_deph'. Did you mean 'dense_depth'"),
        ("features = 8", "features = 2", "features must be at least num_classes"),
        ("[training.loss]", "augment = {flip = true}\n[training.loss]", "Expected images to flip"),
    ],
)
def test_model_that_does_not_fit_the_data(source, old, new, message, tmp_path):
    text = recipe_text(source).replace(old, new)
    with pytest.raises((training.TrainingError, ValueError), match=message):
        training.train(text, tmp_path / "run", verbose=False)
    assert not (tmp_path / "run" / run.CHECKPOINT).exists()


@tensorflow_only
def test_standardising_is_part_of_the_model_and_of_its_bound(tmp_path):
    x, y = blobs()
    spread = np.array([100.0, 1.0, 0.01, 1.0, 0.0], dtype="float32")
    np.savez(tmp_path / "scaled.npz", x=7 + x * spread, y=y)
    text = recipe_text(tmp_path / "scaled.npz").replace("[data]", "[data]\nstandardize = true")
    metrics = training.train(text, tmp_path / "run", verbose=False)
    model = zoo.load(tmp_path / "run")
    dataset = training.load_data(parse_recipe(text).data)
    deviation = dataset.train.x.astype("float64").std(axis=0)
    assert deviation[4] == 0
    assert metrics["lipschitz_bound"] == pytest.approx(1 / deviation[2], rel=1e-3)
    normalised = keras.ops.convert_to_numpy(model.get_layer("normalization")(dataset.train.x))
    np.testing.assert_allclose(np.std(normalised, axis=0), [1, 1, 1, 1, 0], atol=1e-2)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["preprocessing"]["maximum"] is None


def unbalanced(path):
    """Two clouds that overlap, nine examples of one for each of the other."""
    generator = np.random.default_rng(0)
    y = (np.arange(400) % 10 == 0).astype(int)
    x = generator.normal(size=(400, 2)) + np.where(y == 1, 0.8, -0.8)[:, None]
    np.savez(path, x=x.astype("float32"), y=y, class_names=["healthy", "ill"])
    return path


def test_balanced_weights_count_every_class_the_same(tmp_path):
    source = unbalanced(tmp_path / "a.npz")
    recalls = {}
    for weight in ("none", "balanced"):
        text = recipe_text(source, epochs=8, training=f'class_weight = "{weight}"')
        text = text.replace("[evaluation]", '[evaluation]\npositive = "ill"')
        recipe = parse_recipe(text)
        task = training.task_of(recipe, training.load_data(recipe.data))
        if weight == "balanced":
            labels = task.dataset.train.y
            expected = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
            assert task.class_weight() == pytest.approx(dict(enumerate(expected)))
        metrics = training.train(text, tmp_path / weight, verbose=False)
        recalls[weight] = metrics["test"]["sensitivity"]["clean"]
        model, test = zoo.load(tmp_path / weight), task.dataset.test
        predicted = model.predict(test.x, verbose=0).argmax(axis=1)
        assert recalls[weight] == pytest.approx(recall_score(test.y, predicted))
        assert metrics["test"]["specificity"]["examples"] == int(np.sum(test.y == 0))
    assert recalls["balanced"] > recalls["none"]
    card = plain_card(lipzoo.info(tmp_path / "balanced"))
    assert f"| {100 * recalls['balanced']:.2f} |" in card
    assert "examples of the class 'ill' alone" in card


def test_a_positive_class_is_one_of_two(source, tmp_path):
    for data, name in ((source, "1"), (unbalanced(tmp_path / "a.npz"), "well")):
        text = recipe_text(data).replace("[evaluation]", f'[evaluation]\npositive = "{name}"')
        with pytest.raises(training.TrainingError, match=r"positive: expected one of two classes"):
            training.train(text, tmp_path / "run", verbose=False)


def test_schedule_warms_up_and_falls_to_the_final_rate():
    settings = TrainingSettings(
        epochs=10, batch_size=1, learning_rate=0.1, warmup_epochs=2, final_learning_rate=0.05
    )
    rates = [float(schedule(settings, 20)(step)) for step in range(200)]
    assert rates[0] < 0.01
    assert np.argmax(rates) == 40
    assert max(rates) == pytest.approx(0.1)
    assert all(np.diff(rates[:40]) > 0)
    assert all(np.diff(rates[41:]) < 0)
    assert rates[-1] == pytest.approx(0.005, rel=0.02)


def test_a_restart_is_a_second_cycle_with_its_own_augmentation():
    milder = AugmentSettings(flip=True)
    settings = TrainingSettings(
        epochs=6,
        batch_size=1,
        learning_rate=0.1,
        warmup_epochs=1,
        augment=AugmentSettings(flip=True, shift=1),
        restart=RestartSettings(epochs=3, learning_rate=0.02, augment=milder),
    )
    rates = np.array([float(schedule(settings, 10)(step)) for step in range(90)])
    assert np.argmax(rates) == 10
    assert 60 + np.argmax(rates[60:]) == 70
    assert rates[70] == pytest.approx(0.02)
    assert rates[59] < 0.002
    assert rates[89] < 0.001
    assert [settings.augment_at(epoch).shift for epoch in (0, 5, 6, 8)] == [1, 1, 0, 0]
    assert settings.total_epochs == 9


def test_average_of_projected_weights_is_projected_again():
    model = lipzoo.models.GradFlowNet((5,), 3, features=8, dense_depth=2)
    compile_model(model, TrainingSettings(1, 8, 0.01, warmup_epochs=0, ema=0.9), 1, {})
    for variable in model.trainable_variables:
        variable.assign(3 * np.random.default_rng(0).normal(size=variable.shape))
    assert float(lipschitz_bound(model)) > 1
    project(model)
    assert float(lipschitz_bound(model)) <= 1
