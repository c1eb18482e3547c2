"""Training on several devices: the weights of one device, and every replica within its bound."""

import json
import re

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import training, zoo
from lipzoo.training.devices import check_devices, data_parallel, shared_out
from lipzoo.training.model import TrainingError
from tests.helpers import tensorflow_only
from tests.processes import Fresh
from tests.tiny_runs import assert_same_weights, unmeasured, write_shared_recipe

__all__ = ["unmeasured"]
BACKEND = keras.backend.backend()
several = pytest.mark.skipif(
    BACKEND not in ("tensorflow", "jax"), reason="trains on one device on this backend"
)
MISSING = {
    "tensorflow": "devices: expected at most 8, into which the processor is divided",
    "jax": "devices: expected at most 1, the number that this process sees",
    "torch": "devices: expected the backend tensorflow or jax",
}[BACKEND]
# Trains in a process that sees four devices; prints the devices that hold the first kernel.
_TRAIN = """
import json, sys
import keras
from lipzoo import training, zoo
from lipzoo.training.devices import data_parallel
recipe, folder, devices, resume = sys.argv[1:5]
if resume == "killed":
    from lipzoo.training.progress import Recorder
    recorded = Recorder.on_epoch_end
    def die(self, epoch, logs=None):
        recorded(self, epoch, logs)
        if epoch == 1:
            sys.stdout.flush()
            import os
            os._exit(9)
    Recorder.on_epoch_end = die
training.train(open(recipe).read(), folder, devices=int(devices), verbose=False,
               resume=resume == "resumed")
"""
_REFUSED = """
import sys
from lipzoo import training
try:
    training.train(open(sys.argv[1]).read(), sys.argv[2], devices=4, verbose=False)
except training.TrainingError as error:
    print(error)
"""
_REPLICAS = """
import json
import keras, numpy as np
import lipzoo
from lipzoo.training.devices import data_parallel

rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 6)).astype("float32"), rng.integers(0, 3, 64)

def norms(constrained):
    keras.utils.set_random_seed(0)
    with data_parallel(4):
        net = lipzoo.GradFlowNet((6,), 3, features=12, dense_depth=2)
        kernels = [w for w in net.trainable_weights if w.constraint is not None]
        if not constrained:
            for kernel in kernels:
                kernel.constraint = None
        net.compile(keras.optimizers.SGD(0.1, momentum=0.9), lipzoo.OffsetCrossEntropy())
        net.fit(x, y, batch_size=16, epochs=1, verbose=0)
    return [[float(np.linalg.norm(c.astype("float64"), 2)) for c in copies(k)] for k in kernels]

def copies(kernel):
    if keras.backend.backend() == "jax":
        found = [np.asarray(shard.data) for shard in kernel.value.addressable_shards]
    else:
        found = [copy.numpy() for copy in kernel.value.values]
    assert len(found) == 4, len(found)
    return found

print(json.dumps([norms(True), norms(False)]))
"""


def run(code, *arguments, expected=0):
    process = Fresh(code, *arguments, XLA_FLAGS="--xla_force_host_platform_device_count=4")
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == expected, errors[-2000:]
    return printed


@pytest.fixture
def recipe(tmp_path):
    return write_shared_recipe(tmp_path)


@several
@pytest.mark.usefixtures("unmeasured")
def test_four_devices_give_the_weights_of_one_after_a_kill(recipe, tmp_path):
    training.train(recipe.read_text(), tmp_path / "one", verbose=False)
    run(_TRAIN, recipe, tmp_path / "killed", 4, "killed", expected=9)
    assert not (tmp_path / "killed" / "metrics.json").exists()
    run(_TRAIN, recipe, tmp_path / "killed", 4, "resumed")
    assert_same_weights(tmp_path / "one", tmp_path / "killed")
    first, second = (
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "killed")
    )
    assert first["recipe_sha256"] == second["recipe_sha256"]
    assert lipzoo.lipschitz_bound(zoo.load(tmp_path / "killed")).value <= 1.0


@several
def test_every_replica_is_within_the_constraint(tmp_path):
    norms, free = json.loads(run(_REPLICAS).splitlines()[-1])
    assert len(norms) > 2
    assert np.max(norms) <= 1.0
    # The same steps without the constraint leave the ball on every device.
    assert np.min(free) > 1.01


def test_a_run_may_go_on_with_another_number_of_devices(recipe):
    text = recipe.read_text()
    changed = text.replace("batch_size = 32", "batch_size = 32\ndevices = 4")
    hashes = {training.parse_recipe(version).sha256() for version in (text, changed)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("devices", "batch_size", "message"),
    [
        (0, 32, "devices: expected a whole number, at least 1. Received: 0"),
        (-2, 32, "at least 1. Received: -2"),
        (2.0, 32, "devices: expected a whole number, at least 1. Received: 2.0"),
        ("2", 32, "Received: '2'"),
        (2, 0, "batch_size: expected a whole number, at least 1. Received: 0"),
        (3, 32, "batch_size: expected a multiple.*batch_size=32, devices=3"),
        (1000, 32000, MISSING),
    ],
)
def test_what_cannot_be_shared_out_is_refused(devices, batch_size, message):
    with pytest.raises(TrainingError, match=message):
        check_devices(devices, batch_size)


@pytest.mark.parametrize("devices", [0, -1, True, "2", 1000])
def test_the_context_refuses_as_well(devices):
    with pytest.raises(TrainingError, match=r"devices: expected .*Received: "):  # noqa: SIM117
        with data_parallel(devices):
            pass


def test_nothing_is_written_where_the_devices_are_missing(recipe, tmp_path):
    with pytest.raises(TrainingError, match=MISSING):
        training.train(recipe.read_text(), tmp_path / "run", devices=32, verbose=False)
    assert not (tmp_path / "run").exists()


@several
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation = 0.2": "validation = 3"}, "validation: expected .*Received: 3 examples"),
        pytest.param(
            {"[training]": "[training]\njit_compile = true"},
            'expected "auto" or false on several devices of TensorFlow. Received: true, devices=4',
            marks=tensorflow_only,
        ),
    ],
)
def test_what_several_devices_cannot_do_is_refused_before_anything_is_written(
    recipe, tmp_path, changes, message
):
    for old, new in changes.items():
        recipe.write_text(recipe.read_text().replace(old, new))
    printed = run(_REFUSED, recipe, tmp_path / "run")
    assert re.search(message, printed)
    assert not (tmp_path / "run").exists()


@several
@pytest.mark.usefixtures("unmeasured")
def test_four_devices_train_against_an_adversary(recipe, tmp_path):
    with recipe.open("a") as file:
        file.write("\n[training.adversary]\nepsilon = 0.3\nsteps = 2\n")
    training.train(recipe.read_text(), tmp_path / "one", verbose=False)
    run(_TRAIN, recipe, tmp_path / "four", 4, "whole")
    assert_same_weights(tmp_path / "one", tmp_path / "four")


def test_examples_are_shared_out_evenly():
    x, y = shared_out((np.zeros((11, 2)), np.zeros(11)), 4)
    assert len(x) == len(y) == 8
