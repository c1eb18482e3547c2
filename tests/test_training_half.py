"""Weights rounded to half precision keep every proven bound; steps in bfloat16 leave float32."""

import keras
import numpy as np
import pytest

from lipzoo import zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.models import GradFlowNet
from lipzoo.training import TrainingError, load_data, parse_recipe, train
from lipzoo.training.model import build_model
from lipzoo.training.weight_rounding import round_weights
from tests.tiny_runs import recipe_text, write_blobs
from tests.truths import randomise


@pytest.fixture
def model():
    model = GradFlowNet((8, 8, 1), 3, width=8, axial_units=6, features=12, patch_depths=(2,))
    for i, layer in enumerate(model.layers):
        randomise(layer, seed=i)
    return model


def test_rounded_weights_fit_half_precision_and_no_bound_rises(model):
    before = {row.name: row.bound.value for row in lipschitz_bound(model).layers}
    x = np.random.default_rng(0).random((16, 8, 8, 1)).astype("float32")
    logits = model.predict(x, verbose=0)
    round_weights(model)
    for weight in model.get_weights():
        assert np.array_equal(weight.astype("float16").astype("float32"), weight)
    for row in lipschitz_bound(model).layers:
        assert row.bound.value <= before[row.name]
    assert np.abs(model.predict(x, verbose=0) - logits).max() < 0.02


def test_float32_changes_nothing(model):
    before = model.get_weights()
    round_weights(model, "float32")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_weight_that_overflows_is_refused():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="large")])
    model.set_weights([np.array([[1e6]]), np.zeros(1)])
    with pytest.raises(ValueError, match="large: a weight is too large for float16"):
        round_weights(model)


def test_steps_in_bfloat16_end_in_a_float32_network(tmp_path):
    source = write_blobs(tmp_path / "blobs.npz")
    text = recipe_text(source, epochs=8, training='dtype_policy = "mixed_bfloat16"')
    metrics = train(text, tmp_path / "run", verbose=False)
    assert keras.config.dtype_policy().name == "float32"
    assert metrics["test"]["clean"] > 0.8
    assert metrics["lipschitz_bound"] <= 1.0
    model = zoo.load(tmp_path / "run")
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    data = load_data(parse_recipe(text).data)
    labels = model.predict(data.inputs(data.test), verbose=0).argmax(-1)
    assert metrics["test"]["clean"] == np.mean(labels == data.test.y)


def test_the_policy_reaches_every_layer_and_is_left_as_it_was():
    arguments = {"input_shape": (5,), "num_classes": 3, "features": 8, "dense_depth": 1}
    model = build_model("GradFlowNet", arguments, "mixed_bfloat16")
    assert {layer.compute_dtype for layer in model.layers} == {"bfloat16"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    with pytest.raises(TrainingError, match="features"):
        build_model("GradFlowNet", {**arguments, "features": 0}, "mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"
