"""A model is the same function whatever image data format Keras is set to."""

import json
import os
import subprocess
import sys

import keras
import numpy as np

import lipzoo
from lipzoo import models, zoo
from lipzoo.zoo.weights import assign_weights, read_variables

# Not square, so that no axis can be taken for another, and padded at first.
SHAPES = {"image": (5, 7, 2), "sequence": (9, 3)}
BLUR = {"class_name": "Blur", "config": {"image_shape": [6, 8, 1], "kernel": [[0.25, 0.5, 0.25]]}}
LINE = {"class_name": "Blur", "config": {"image_shape": [12, 1], "kernel": [0.25, 0.5, 0.25]}}
BUILDS = {
    "GradFlowNet": {"width": 16, "axial_units": 6, "patch_depths": (2,), "features": 8},
    "HamNet": {"depth": 2, "width": 16},
    "ResNet": {"depth": 2, "width": 16},
    "MLP": {"width": 8},
}
_CHILD = """
import sys
import keras, numpy as np
assert keras.config.image_data_format() == "channels_first"
from tests.test_models_data_format import outputs
np.savez(sys.argv[1], **outputs())
"""


def built():
    """Every architecture on every kind of input that it takes, by name."""
    for architecture, arguments in BUILDS.items():
        for kind, shape in SHAPES.items():
            yield (
                f"{architecture}-{kind}",
                models.ARCHITECTURES[architecture](shape, 4, **arguments),
            )
    yield "Denoiser-image", models.Denoiser((6, 8, 1), width=5, depth=2, filters=6)
    for kind, operator in (("image", BLUR), ("sequence", LINE)):
        for architecture in ("InvNet", "UnrolledNet"):
            build = models.ARCHITECTURES[architecture]
            yield f"{architecture}-{kind}", build(operator, alpha=0.01, steps=2, width=4, filters=4)


def outputs():
    """Outputs of all of them with weights from a seed, and of two bundled models."""
    found = {}
    for name, model in (*built(), *((n, zoo.load(n)) for n in ("gradflow-digits", "invnet-ct28"))):
        if not hasattr(model, "lipzoo_config"):
            generator = np.random.default_rng(0)
            weights = {
                key: (0.3 * generator.standard_normal(value.shape)).astype(value.dtype)
                for key, value in read_variables(model).items()
            }
            assign_weights(model, weights)
        x = np.random.default_rng(1).random((3, *model.input_shape[1:]), "float32")
        found[name] = keras.ops.convert_to_numpy(model(x, training=False))
    return found


def test_every_architecture_is_covered():
    names = {name.partition("-")[0] for name, _ in built()}
    assert names == set(models.ARCHITECTURES)


def test_models_are_the_same_under_channels_first(tmp_path):
    expected = outputs()
    (tmp_path / "keras.json").write_text(
        json.dumps(
            {
                "backend": keras.backend.backend(),
                "floatx": "float32",
                "image_data_format": "channels_first",
            }
        )
    )
    root = os.path.dirname(os.path.dirname(lipzoo.__file__))
    environment = {
        **os.environ,
        "KERAS_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path / "found.npz")],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as found:
        assert set(found) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_layers_that_have_a_data_format_state_it():
    keras.config.set_image_data_format("channels_first")
    try:
        for name, model in built():
            for layer in model._flatten_layers():
                assert getattr(layer, "data_format", "channels_last") == "channels_last", name
    finally:
        keras.config.set_image_data_format("channels_last")
