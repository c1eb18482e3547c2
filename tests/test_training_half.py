"""Weights rounded to half precision keep every proven bound."""

import keras
import numpy as np
import pytest

from lipzoo.bounds import lipschitz_bound
from lipzoo.models import GradFlowNet
from lipzoo.training.weight_rounding import round_weights
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
