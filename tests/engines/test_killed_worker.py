"""A worker of Ray that is killed in the middle: the answers are complete, and the same bits."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import ray

import lipzoo

ROWS = 3_000


def _marking():
    """A certifier that leaves a file for every batch, by process and count, so that one can die.

    A class inside a function travels to workers by value, which cannot import this file.
    """

    class Marking(lipzoo.Certifier):
        def __init__(self, marks, **arguments):
            super().__init__(**arguments)
            self.marks, self.calls = Path(marks), 0

        def __call__(self, batch):
            answers = super().__call__(batch)
            self.calls += 1
            (self.marks / f"{os.getpid()}-{self.calls}").touch()
            return answers

    return Marking


@pytest.fixture(scope="module")
def started():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def _certified(marks):
    """Columns in the order of the examples, and the processes that certified some."""
    marks.mkdir()
    x, y = lipzoo.samples("fmnist")
    numbers = np.arange(ROWS)
    data = ray.data.from_numpy(np.array_split(x[numbers % 64], 12))
    data = data.zip(ray.data.from_items([{"id": int(i), "y": int(y[i % 64])} for i in numbers]))
    arguments = {"marks": str(marks), "name": "gradflow-fmnist", "reference": None, "x": "data"}
    answers = data.repartition(12).map_batches(
        _marking(),
        fn_constructor_kwargs=arguments,
        batch_size=50,
        num_cpus=0.5,
        compute=ray.data.ActorPoolStrategy(size=2),
    )
    blocks = [*answers.iter_batches(batch_size=None)]
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    order = np.argsort(columns["id"], kind="stable")
    processes = {path.name.split("-")[0] for path in marks.iterdir()}
    return {name: column[order] for name, column in columns.items()}, processes


def _kill_one(marks, killed):
    """Kills the first process that has certified three batches."""
    while not killed:
        ready = [*marks.glob("*-3")]
        if ready:
            killed.append(int(ready[0].name.split("-")[0]))
            os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.05)


def test_what_a_killed_worker_had_not_finished_is_certified_again(started, tmp_path):
    undisturbed, _ = _certified(tmp_path / "undisturbed")
    killed = []
    killer = threading.Thread(target=_kill_one, args=(tmp_path / "killed", killed), daemon=True)
    killer.start()
    found, processes = _certified(tmp_path / "killed")
    killer.join(timeout=1)
    assert killed
    # Where starting another takes longer than the rest of the batches, it comes too late for one.
    assert str(killed[0]) in processes
    assert len(processes) in (2, 3)
    assert found["id"].tolist() == list(range(ROWS))
    for name, column in undisturbed.items():
        assert np.array_equal(found[name], column), name
