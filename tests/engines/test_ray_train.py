"""A worker of Ray Train that is killed in the middle: the run goes on, and ends whole."""

import json
import os
import runpy
import signal
import threading
import time
from pathlib import Path

import numpy as np

import lipzoo

ROOT = Path(__file__).parents[2]
EPOCHS = 20
RECIPE = """
name = "blobs"

[data]
source = "%s"
validation = 0.25

[model]
architecture = "GradFlowNet"

[model.arguments]
features = 32
dense_depth = 1

[training]
epochs = %d
batch_size = 64
learning_rate = 5e-3

[training.loss]
name = "offset_cross_entropy"
epsilon = 0.1
temperature = 0.25

[evaluation]
epsilons = [0.1]
"""


def _kill_one(folder, marks, killed):
    """Kills a worker once there is a checkpoint."""
    while not killed:
        if (folder / "checkpoint.npz").exists():
            killed.append(int(sorted(marks.iterdir())[-1].name))
            os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.01)


def test_a_killed_worker_is_replaced_and_the_run_goes_on(tmp_path):
    folder, marks, killed = tmp_path / "run", tmp_path / "marks", []
    marks.mkdir()
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 2_000)
    x = random.normal(size=(2_000, 8)).astype("float32") + 2 * y[:, None]
    np.savez(tmp_path / "blobs.npz", x=x, y=y)
    (tmp_path / "recipe.toml").write_text(RECIPE % (tmp_path / "blobs.npz", EPOCHS))
    example = runpy.run_path(str(ROOT / "examples" / "ray_train.py"))
    work = example["work"]

    def marking(settings):
        (marks / str(os.getpid())).touch()
        work(settings)

    killer = threading.Thread(target=_kill_one, args=(folder, marks, killed), daemon=True)
    killer.start()
    example["start"](tmp_path / "recipe.toml", folder, work=marking)
    assert killed
    # Two before, and two after it.
    assert len([*marks.iterdir()]) == 4
    history = json.loads((folder / "metrics.json").read_text())
    assert history["epochs"] == EPOCHS
    assert not (folder / "checkpoint.npz").exists()
    assert lipzoo.lipschitz_bound(lipzoo.load(folder)).value <= 1.0
