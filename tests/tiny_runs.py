"""Recipes and data small enough to train in a second."""

import numpy as np
import pytest

from lipzoo import zoo
from lipzoo.training.tasks.classification import ClassificationTask
from lipzoo.training.tasks.reconstruction import ReconstructionTask

RECIPE = """\
name = "tiny-blobs"
description = "Two clouds of points"
seed = 3

[data]
source = "{source}"
validation = 0.2

[model]
architecture = "GradFlowNet"

[model.arguments]
features = 8
dense_depth = 1

[training]
epochs = {epochs}
batch_size = {batch_size}
learning_rate = 0.02
warmup_epochs = 0.5
{training}

[training.loss]
name = "offset_cross_entropy"
epsilon = 0.5

[evaluation]
epsilons = ["36/255", 0.5]
watch = [0.5]

[registry]
dataset = "made up"
data_licence = "CC0"
"""


@pytest.fixture
def unmeasured(monkeypatch):
    """Runs end without accuracies and curves, for tests of how their weights come about.

    So small a network is trained in less time than it is measured in.
    """
    for task in (ClassificationTask, ReconstructionTask):
        monkeypatch.setattr(task, "tables", lambda *_: {})
        monkeypatch.setattr(task, "write_curves", lambda *_: None)


def blobs(examples=240, features=5, classes=3, seed=0):
    """Clouds of points around `2 e_class`."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, classes, examples)
    x = 2 * np.eye(classes, features)[y] + 0.5 * generator.normal(size=(examples, features))
    return x.astype("float32"), y


def write_blobs(path, **arguments):
    """Writes clouds as an .npz file with `x` and `y`."""
    x, y = blobs(**arguments)
    np.savez(path, x=x, y=y)
    return path


def recipe_text(source, epochs=3, batch_size=16, training=""):
    """A recipe for the clouds, or for another source."""
    return RECIPE.format(source=source, epochs=epochs, batch_size=batch_size, training=training)


def write_shared_recipe(folder):
    """Writes data and a recipe whose batches can be shared out, with an optimizer that is linear.

    Differences of rounding are not blown up by SGD, as they are by the division in Adam.
    """
    source = write_blobs(folder / "blobs.npz", examples=250)
    path = folder / "recipe.toml"
    path.write_text(recipe_text(source, batch_size=32, training='optimizer = "sgd"'))
    return path


def assert_same_weights(first, second):
    """Two run folders have the same weights, up to the rounding of sums in another order."""
    first, second = (zoo.read_weights(folder / "model.safetensors") for folder in (first, second))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=0, atol=1e-4)
