"""What holds for every model of the zoo; a new one is covered by being in the registry."""

import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.models import KEEP_THEIR_BOUND
from lipzoo.zoo.promotion import MAX_MODEL_BYTES
from lipzoo_catalogue.registry import weights_folder
from tests import zoo_models

NAMES = zoo.list_models()
CLASSIFIERS = [name for name in NAMES if zoo.info(name).task == "classification"]
RECONSTRUCTIONS = [name for name in NAMES if zoo.info(name).task == "reconstruction"]
each_model = pytest.mark.parametrize("name", NAMES)
each_classifier = pytest.mark.parametrize("name", CLASSIFIERS)
each_reconstruction = pytest.mark.parametrize("name", RECONSTRUCTIONS)

# Runs where nothing but an installed package is: no checkout, no network.
_FRESH = """
import json, socket, sys

def refuse(*_):
    raise OSError("no network here")

socket.socket.connect = socket.socket.connect_ex = refuse
import keras, lipzoo, numpy as np
from lipzoo.bounds import lipschitz_bound
from lipzoo_catalogue.registry import weights_folder

assert weights_folder().parent.name == "_bundled", weights_folder()
bounds = {}
for name in lipzoo.zoo.list_models():
    model = lipzoo.zoo.load(name)
    x = np.load(f"{name}.npy")
    np.save(f"{name}-logits.npy", keras.ops.convert_to_numpy(model(x)))
    bounds[name] = lipschitz_bound(model).value
json.dump(bounds, open("bounds.json", "w"))
"""


def inputs_of(model, count=8):
    """Inputs within the range that the model states."""
    low, high = (model.lipzoo_preprocessing[key] for key in ("minimum", "maximum"))
    low, high = (-1.0 if low is None else low), (1.0 if high is None else high)
    return low + (high - low) * zoo_models.images(model.input_shape[1:], count)


def outputs_of(model, x):
    """Layer by layer: to compile the networks takes longer than all that is asked of them here."""
    return keras.ops.convert_to_numpy(model(x))


@pytest.fixture(scope="module")
def models():
    return {name: zoo.load(name) for name in NAMES}


@pytest.fixture(scope="module")
def fresh_process(models, tmp_path_factory):
    """The folder in which another process, with the package as a wheel lays it out, ran."""
    site, work = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    root = Path(lipzoo.__file__).parents[1]
    for package in ("lipzoo", "lipzoo_catalogue"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / package, site / package, ignore=ignored)
    shutil.copytree(weights_folder(), site / "lipzoo" / "_bundled" / "weights", dirs_exist_ok=True)
    for name in NAMES:
        np.save(work / f"{name}.npy", inputs_of(models[name]))
    (work / "run.py").write_text(f"import sys\nsys.path.insert(0, {str(site)!r})\n{_FRESH}")
    done = subprocess.run(
        [sys.executable, "run.py"], cwd=work, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return work


def test_a_fresh_process_without_checkout_and_network_has_the_same_zoo(fresh_process):
    assert list(zoo_models.read_json(fresh_process / "bounds.json")) == NAMES


@each_model
def test_a_fresh_process_gives_the_same_logits_and_bound(models, fresh_process, name):
    x = np.load(fresh_process / f"{name}.npy")
    np.testing.assert_array_equal(
        np.load(fresh_process / f"{name}-logits.npy"), outputs_of(models[name], x)
    )
    bounds = zoo_models.read_json(fresh_process / "bounds.json")
    assert bounds[name] == lipschitz_bound(models[name]).value


@each_model
def test_the_bound_is_at_most_the_claimed_one(models, name):
    assert lipschitz_bound(models[name]).value <= zoo.info(name).lipschitz_bound * (1 + 1e-9)


@each_model
def test_pairs_of_points_obey_the_bound(models, name):
    x = inputs_of(models[name], count=16).astype("float64")
    steps = np.random.default_rng(3).normal(size=x.shape) * 1e-2
    pairs = outputs_of(models[name], np.concatenate([x, x + steps])).astype("float64")
    moved = np.linalg.norm((pairs[:16] - pairs[16:]).reshape(16, -1), axis=-1)
    distance = np.linalg.norm(steps.reshape(16, -1), axis=-1)
    # The float32 rounding of two forward passes is added to the difference.
    assert (moved <= zoo.info(name).lipschitz_bound * distance + 1e-4).all()


@each_model
def test_the_page_of_a_model_is_complete(name):
    known = zoo.info(name)
    assert known.name == name
    for text in (known.description, known.dataset, known.licence, known.paper):
        assert text
    assert known.config.data_licence
    assert known.metrics.examples > 0


@each_classifier
def test_the_page_of_a_classifier_has_its_classes_and_accuracies(name):
    known = zoo.info(name)
    assert len(known.class_names) == known.config.num_classes
    assert known.metrics.certified
    assert f"{100 * known.metrics.clean:.2f} %" in str(known)


@each_reconstruction
def test_the_page_of_a_reconstruction_compares_methods(name):
    known = zoo.info(name)
    own, *others = known.metrics.methods
    assert {"TV", "total variation"} & {method.name for method in others}
    assert own.lipschitz_bound == pytest.approx(known.lipschitz_bound)
    assert own.worst_movement <= own.certified_movement
    for method in others:
        if method.name.startswith("Tikhonov") or method.name == "noisy":
            assert own.psnr > method.psnr
    assert f"{own.psnr:.2f}" in str(known)


@each_reconstruction
def test_a_reconstruction_has_no_classes_and_no_head(name):
    for wrong in ({"num_classes": 3}, {"include_top": False}):
        with pytest.raises(ValueError, match=rf"{name}.*no classes.*Received"):
            zoo.load(name, **wrong)


@each_reconstruction
def test_a_float64_reconstruction_moves_by_hardly_more_than_its_bound(name):
    model = zoo.load(name, dtype="float64")
    y = inputs_of(model, count=2)
    certificate = lipzoo.certify_reconstruction(model, y, 0.1, verbose=0)
    assert certificate.reconstruction.dtype == "float64"
    assert certificate.radius == pytest.approx(0.1 * certificate.bound.value, rel=1e-4)


@each_model
def test_a_model_is_small_enough_to_travel_in_the_wheel(name):
    entry = zoo.read_registry()[name]
    assert sum(record.bytes for record in entry.files.values()) <= MAX_MODEL_BYTES


@each_classifier
def test_one_step_of_fine_tuning_on_new_classes_keeps_the_bound(name):
    model = zoo.load(name, num_classes=2)
    x = inputs_of(model)
    model.compile(
        keras.optimizers.Adam(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    model.fit(x, np.arange(len(x)) % 2, batch_size=len(x), verbose=0)
    config = zoo.info(name).config
    if config.architecture in KEEP_THEIR_BOUND:
        # Every layer is 1-Lipschitz but the one that divides by the standard deviations.
        variance = (config.arguments.get("normalization") or {"variance": [1.0]})["variance"]
        assert lipschitz_bound(model).value <= 1 / min(variance) ** 0.5
    for variable in model.variables:
        if isinstance(variable.constraint, lipzoo.SpectralBound):
            kernel = keras.ops.convert_to_numpy(variable)
            matrix = kernel.reshape(-1, kernel.shape[-1]).astype("float64")
            assert np.linalg.norm(matrix, 2) <= variable.constraint.bound


@each_classifier
def test_features_come_without_the_head(models, name):
    model = zoo.load(name, include_top=False)
    assert np.prod(model.output_shape[1:]) == models[name].get_layer("head").input.shape[-1]
