"""Training in two processes on one machine: the weights of one, and no more than one writes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import lipzoo_cli
from lipzoo.training import processes
from lipzoo.training.model import TrainingError
from tests.processes import Fresh
from tests.tiny_runs import assert_same_weights, write_shared_recipe

ROOT = Path(__file__).parents[1]
with_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="several processes train on JAX"
)
# `lipzoo train`, with every file that is opened for writing below a folder noted; one process may
# die after an epoch.
_TRAIN = """
import os, sys
folder, dies, *command = sys.argv[1:]
written = set()
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(folder):
        if arguments[1] not in (None, "r", "rb"):
            written.add(arguments[0])
sys.addaudithook(note)
import lipzoo_cli
from lipzoo.training import progress, run
recorded = progress.Recorder.on_epoch_end
def on_epoch_end(self, epoch, logs=None):
    recorded(self, epoch, logs)
    if epoch + 1 == int(dies):
        os._exit(9)
    for weight in self.model.trainable_weights:
        if weight.constraint is not None:
            import numpy as np
            copies = [np.asarray(c.data, "float64") for c in weight.value.addressable_shards]
            norms = [np.linalg.norm(copy, 2) for copy in copies]
            print("copies", len(copies), max(norms), flush=True)
progress.Recorder.on_epoch_end = on_epoch_end
code = lipzoo_cli.main(command)
print("written", len(written), flush=True)
sys.exit(code)
"""


def start(folder, recipe, *options, dies=(0, 0), devices=2):
    """Two processes of one job; `dies` has the epoch after which each of them does.

    The folder is that of both, or there is one for each.
    """
    folders = folder if isinstance(folder, tuple) else (folder, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["train", recipe, "--devices", devices, *options, "--out"]
    job = {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices // 2}",
        processes.ADDRESSES: address,
        processes.NUMBER: "2",
    }
    return [
        Fresh(_TRAIN, own, dies[index], *command, own, **job, **{processes.INDEX: str(index)})
        for index, own in enumerate(folders)
    ]


def finish(job, expected=0):
    outputs = []
    for process in job:
        printed, errors = process.communicate(timeout=300)
        assert process.returncode == expected, errors[-3000:]
        outputs.append((printed, errors))
    return outputs


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_shared_recipe(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def alone(recipe):
    """The run of one process on one device."""
    folder = recipe.parent / "alone"
    assert lipzoo_cli.main(["train", str(recipe), "--out", str(folder)]) == 0
    return folder


@with_jax
@pytest.mark.parametrize("devices", [2, 4])
def test_two_processes_give_the_weights_of_one(tmp_path, recipe, alone, devices):
    (first, _), (second, _) = finish(start(tmp_path / "two", recipe, devices=devices))
    assert_same_weights(alone, tmp_path / "two")
    assert "written 0" in second
    assert "written 0" not in first
    for printed in (first, second):
        rows = [line.split()[1:] for line in printed.splitlines() if line.startswith("copies")]
        assert rows
        assert {int(count) for count, _ in rows} == {devices // 2}
        assert max(float(norm) for _, norm in rows) <= 1.0
    results = [json.loads((f / "metrics.json").read_text()) for f in (alone, tmp_path / "two")]
    assert results[0]["test"]["clean"] == results[1]["test"]["clean"]
    histories = [json.loads((f / "history.json").read_text()) for f in (alone, tmp_path / "two")]
    for one, two in zip(*histories, strict=True):
        assert one["val_loss"] == pytest.approx(two["val_loss"], abs=1e-4)


@with_jax
@pytest.mark.parametrize("victim", [0, 1])
def test_a_job_whose_process_died_goes_on_from_its_checkpoint(tmp_path, recipe, alone, victim):
    folder = tmp_path / "killed"
    job = start(folder, recipe, dies=(2, 0) if victim == 0 else (0, 2))
    assert job[victim].wait(timeout=300) == 9
    other = job[1 - victim]
    try:
        other.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        # What a cluster's scheduler does with the rest of a job.
        other.kill()
        other.communicate()
    job[victim].communicate()
    assert other.returncode != 0
    assert (folder / "checkpoint.npz").exists()
    assert not (folder / "metrics.json").exists()
    outputs = finish(start(folder, recipe, "--resume"))
    assert "continuing after epoch 2 of 3" in outputs[0][0]
    assert_same_weights(alone, folder)


@with_jax
def test_processes_with_folders_of_their_own_are_refused(tmp_path, recipe):
    job = start((tmp_path / "one", tmp_path / "two"), recipe)
    for _, errors in finish(job, expected=2):
        assert "a run folder that all processes share. Received: one that process 1" in errors
    assert not any(path.is_file() for path in (tmp_path / "one").iterdir())


@with_jax
def test_devices_are_those_of_all_processes(tmp_path, recipe):
    for devices, message in ((1, "expected 2, all those of the 2 processes"),):
        job = start(tmp_path / "run", recipe, "--devices", str(devices))
        for _, errors in finish(job, expected=2):
            assert message in errors.splitlines()[-1]
    assert not (tmp_path / "run").exists()


ALL = {processes.ADDRESSES: "127.0.0.1:1234", processes.NUMBER: "2", processes.INDEX: "0"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({processes.ADDRESSES: ""}, f"expected {processes.ADDRESSES} beside"),
        ({processes.NUMBER: "", processes.INDEX: ""}, f"{processes.NUMBER}, {processes.INDEX}"),
        ({processes.NUMBER: "two"}, "whole number. Received: two"),
        ({processes.INDEX: "-1"}, "whole number. Received: -1"),
        ({processes.INDEX: "2"}, "expected a number from 0 to .* = 1. Received: 2"),
        ({processes.NUMBER: "0"}, f"{processes.NUMBER}: expected a number of at least 1"),
        ({processes.ADDRESSES: "localhost"}, "as host:port. Received: 'localhost'"),
        ({processes.ADDRESSES: "127.0.0.1:port"}, "host:port. Received: '127.0.0.1:port'"),
        ({processes.ADDRESSES: ":1,b:2"}, "host:port. Received: ':1'"),
        ({processes.ADDRESSES: "a:70000"}, "host:port. Received: 'a:70000'"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(TrainingError, match=message):
        processes.join_job(ALL | changes)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="the other backends refuse")
def test_other_backends_train_in_one_process(tmp_path):
    with pytest.raises(TrainingError, match="expected the backend jax"):
        processes.join_job(ALL)
    done = subprocess.run(
        [sys.executable, "-m", "lipzoo_cli", "train", "gradflow-digits", "--out", str(tmp_path)],
        cwd=ROOT, env={**os.environ, **ALL}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("lipzoo: expected the backend jax")


def test_without_a_job_nothing_is_joined():
    processes.join_job({})
    assert (processes.process_count(), processes.process_index()) == (1, 0)
