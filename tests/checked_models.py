"""Small models of every architecture, saved and tampered with, for the tests of the checker."""

import json

import numpy as np
import safetensors.numpy

from lipzoo import models, zoo
from lipzoo_catalogue.files import record_of
from lipzoo_catalogue.model_source import find
from lipzoo_cli.check_certificate import check_source
from tests.truths import randomise

IMAGE = {"input_shape": [6, 6, 1], "num_classes": 3}
TABLE = {"input_shape": [5], "num_classes": 3}
SCANNER = {"class_name": "Tomography", "config": {"size": 6, "angles": 4}}
BLUR = {"class_name": "Blur", "config": {"image_shape": [12, 1], "kernel": [0.2, 0.5, 0.3]}}
GRADFLOW = {"width": 6, "axial_units": 5, "features": 8, "dense_depth": 1, "axial_depth": 2}
MODELS = {
    "gradflow-image": ("GradFlowNet", {**IMAGE, **GRADFLOW, "patch_depths": [2]}),
    "gradflow-sequence": (
        "GradFlowNet",
        {**GRADFLOW, "input_shape": [9, 2], "num_classes": 3, "patch_depths": [1, 1]},
    ),
    "gradflow-half": (
        "GradFlowNet",
        {**IMAGE, **GRADFLOW, "patch_depths": [2], "units": "half"},
    ),
    "gradflow-gains": (
        "GradFlowNet",
        {**TABLE, **GRADFLOW, "activation": "tanh", "gain": 2.0, "train_gain": True},
    ),
    "gradflow-table": (
        "GradFlowNet",
        {
            **TABLE,
            "features": 4,
            "units": 3,
            "head": "unit_norm",
            "activation": "softplus",
            "normalization": {"mean": [0.0] * 5, "variance": [0.3, 2.0, 1.0, 0.7, 0.2]},
        },
    ),
    "hamnet-axial": (
        "HamNet",
        {**IMAGE, "depth": 3, "width": 6, "units": "half", "operators": "axial"},
    ),
    "hamnet-verlet": (
        "HamNet",
        {**IMAGE, "depth": 3, "width": 4, "time": 2.0, "method": "verlet", "activation": "sigmoid"},
    ),
    "hamnet-table": ("HamNet", {**TABLE, "depth": 2, "width": 6, "units": 4, "time": 1.0}),
    "denoiser": (
        "Denoiser",
        {"input_shape": [7, 6, 1], "width": 5, "depth": 2, "filters": 5},
    ),
    "mlp": ("MLP", {**IMAGE, "width": 7, "activation": "gelu"}),
    "resnet-image": ("ResNet", {**IMAGE, "depth": 3, "width": 4}),
    "resnet-table": ("ResNet", {**TABLE, "depth": 2, "width": 6, "units": 3}),
    "invnet-scanner": (
        "InvNet",
        {
            "operator": SCANNER,
            "alpha": 0.01,
            "steps": 3,
            "width": 3,
            "filters": 4,
            "sensitivity": True,
        },
    ),
    "invnet-blur": (
        "InvNet",
        {
            "operator": BLUR,
            "alpha": 0.1,
            "steps": 2,
            "width": 1,
            "filters": 4,
            "time": 3.0,
            "step_size": 1.7,
            "bounds": None,
        },
    ),
    "unrollednet": (
        "UnrolledNet",
        {
            "operator": SCANNER,
            "alpha": 0.02,
            "steps": 2,
            "width": 3,
            "filters": 3,
            "sensitivity": True,
            "bounds": None,
        },
    ),
}


def build(name, **changes):
    """The model with random weights, projected where there is a constraint; and its config."""
    architecture, arguments = MODELS[name]
    arguments = {**arguments, **changes}
    model = models.ARCHITECTURES[architecture](**arguments)
    for layer in model.layers:
        randomise(layer, seed=1)
    return model, zoo.ModelConfig(architecture, arguments)


def save(folder, name, **changes):
    """Saves such a model with a certificate; returns the model."""
    model, config = build(name, **changes)
    zoo.save_model(folder, model, config)
    return model


def tamper(folder, arguments=None, tensors=None, certificate=None):
    """Changes files of a saved model and hashes them anew, as a careful forger would.

    Args:
        folder: the saved model.
        arguments: a function that changes the arguments in the configuration.
        tensors: a function that changes the weights, a dict of writable arrays.
        certificate: a function that changes the certificate's content.
    """
    config, weights, claim = (
        folder / name for name in ("config.json", "model.safetensors", "certificate.json")
    )
    if arguments is not None:
        values = json.loads(config.read_text())
        arguments(values["arguments"])
        config.write_text(json.dumps(values))
    if tensors is not None:
        arrays = {name: np.array(a) for name, a in safetensors.numpy.load_file(weights).items()}
        tensors(arrays)
        weights.write_bytes(safetensors.numpy.save(arrays))
    values = json.loads(claim.read_text())
    values["files"] = {path.name: vars(record_of(path.read_bytes())) for path in (config, weights)}
    if certificate is not None:
        certificate(values)
    claim.write_text(json.dumps(values))


def checked(folder):
    """The checker's report about a saved model."""
    return check_source(find(folder))
