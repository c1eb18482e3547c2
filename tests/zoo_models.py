"""A small model and a small zoo for the tests of lipzoo.zoo."""

import json

import keras
import numpy as np

from lipzoo import models, zoo
from lipzoo_catalogue import registry

ARGUMENTS = {
    "input_shape": [8, 8, 1],
    "num_classes": 5,
    "width": 8,
    "patch_depths": [2],
    "axial_depth": 2,
    "axial_units": 6,
    "features": 12,
    "dense_depth": 1,
}
METRICS = {
    "format_version": 1,
    "test": {"examples": 50, "clean": 0.9, "certified": {"36/255": 0.8, "0.5": 0.6}},
    "test_float64": {"examples": 50, "clean": 0.9, "certified": {"36/255": 0.82, "0.5": 0.64}},
    "seed": 3,
}


def small_config(**changes):
    values = {
        "architecture": "GradFlowNet",
        "arguments": ARGUMENTS,
        "class_names": ("ant", "bee", "cat", "dog", "elk"),
        "description": "A small model",
        "dataset": "random numbers",
        "data_licence": "CC0",
        "licence": "Apache-2.0",
        "paper": "2510.22299",
    }
    return zoo.ModelConfig(**{**values, **changes})


def small_model(seed=0):
    """A model with weights that no seed of the tests' own would give again."""
    keras.utils.set_random_seed(seed + 1000)
    model = models.ARCHITECTURES["GradFlowNet"](**ARGUMENTS)
    keras.utils.set_random_seed(0)
    return model


def save_run(folder, seed=0, metrics=METRICS, **changes):
    """Writes a finished run and returns its model."""
    model = small_model(seed)
    zoo.save_model(folder, model, small_config(**changes), metrics=metrics)
    return model


def images(shape, count=4):
    return np.random.default_rng(7).uniform(size=(count, *shape)).astype("float32")


def edit_json(path, change):
    """Applies `change` to the values of a JSON file."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def make_zoo(folder, *names):
    """Makes a zoo with one model for each name; their weights differ. Returns the models."""
    made = {}
    for seed, name in enumerate(names):
        made[name] = save_run(folder / "runs" / name, seed)
        zoo.promote(folder / "runs" / name, weights_dir=folder / "weights")
    return made


def use_zoo(monkeypatch, folder):
    """Makes lipzoo's zoo the one that `make_zoo(folder, ...)` made."""
    monkeypatch.setattr(registry, "weights_folder", lambda: folder / "weights")


def read_json(path):
    return json.loads(path.read_text())
