"""Trained gains: the same slopes for every gain, the same bound, and their rounding counted."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

import lipzoo
from lipzoo import activations, zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.layers import GradientFlowConv2D, GradientFlowDense
from lipzoo.training.weight_rounding import round_weights
from tests.helpers import compile_fast
from tests.truths import dense_jacobian

CURVED = [
    name
    for name in activations.known()
    if activations.get(name).lower >= 0 and not activations.get(name).homogeneous
]


def _flow(name, gains=None, units=7, features=5, **kwargs):
    """A dense flow with a random bias and given gains, or random ones of either size."""
    layer = GradientFlowDense(units, activation=name, train_gain=True, **kwargs)
    layer.build((None, features))
    rng = np.random.default_rng(1)
    layer.bias.assign(rng.normal(size=units))
    layer.gains.assign(np.exp(rng.normal(0.0, 2.0, units)) if gains is None else gains)
    return layer


@pytest.mark.parametrize("name", CURVED)
def test_every_gain_leaves_the_layer_non_expansive(name):
    layer = _flow(name)
    layer.gains.assign(layer.gains * np.array([1, -1, 1, -1, 1, 1, 1]))
    assert layer.lipschitz_bound((None, 5)).value == 1.0
    for point in np.random.default_rng(2).normal(size=(20, 5)) * 3:
        jacobian = dense_jacobian(layer, point.astype("float32"))
        assert np.linalg.norm(jacobian, 2) <= 1 + 1e-5


def test_the_layer_is_the_formula():
    layer = _flow("tanh")
    kernel, bias, gains = (np.asarray(w, "float64") for w in layer.get_weights())
    x = np.random.default_rng(3).normal(size=(6, 5))
    expected = x - 2 * (np.tanh(gains * (x @ kernel + bias)) / gains) @ kernel.T
    np.testing.assert_allclose(
        convert_to_numpy(layer(x.astype("float32"))), expected, rtol=0, atol=1e-5
    )


def test_equal_gains_are_the_gain_that_is_given():
    trained = _flow("softplus", gains=np.full(7, 3.0))
    fixed = GradientFlowDense(7, activation="softplus", gain=3.0)
    fixed.build((None, 5))
    fixed.set_weights([trained.kernel, trained.bias])
    x = np.random.default_rng(4).normal(size=(6, 5)).astype("float32")
    np.testing.assert_allclose(*map(convert_to_numpy, (trained(x), fixed(x))), rtol=0, atol=1e-6)
    first, second = (layer.lipschitz_bound((None, 5)) for layer in (trained, fixed))
    assert first.offset == pytest.approx(second.offset, rel=1e-6)
    assert first.rounding_offset == pytest.approx(second.rounding_offset, rel=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["tanh", "softplus", "sigmoid"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_rounding_error_stays_below_the_claim(name, size):
    single = _flow(name, units=40, features=30)
    double = _flow(name, units=40, features=30, dtype="float64")
    double.set_weights(single.get_weights())
    x = size * np.random.default_rng(5).normal(size=(64, 30))
    bound = single.lipschitz_bound((None, 30))
    # The float64 layer gets what the float32 layer gets.
    inputs = x.astype("float32")
    exact = convert_to_numpy(double(inputs.astype("float64")))
    error = np.linalg.norm(convert_to_numpy(single(inputs)).astype("float64") - exact, axis=1)
    norms = np.linalg.norm(inputs.astype("float64"), axis=1)
    assert (error <= bound.rounding_slope * norms + bound.rounding_offset).all()
    assert np.linalg.norm(convert_to_numpy(double(np.zeros((1, 30))))) <= bound.offset


def test_training_moves_the_gains_and_not_the_bound(tmp_path):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(256, 4, 4, 1)).astype("float32"), rng.integers(0, 3, 256)
    arguments = {"width": 4, "axial_units": 6, "features": 8, "patch_depths": (2,)}
    model = lipzoo.GradFlowNet(
        (4, 4, 1), 3, **arguments, activation="softplus", gain=4.0, train_gain=True
    )
    gains = [weight for weight in model.trainable_weights if weight.path.endswith("gain")]
    flows = [layer for layer in model.layers if "flow" in layer.name]
    assert len(gains) == len(flows)
    compile_fast(model, keras.optimizers.Adam(0.05), lipzoo.OffsetCrossEntropy(epsilon=0.5))
    model.fit(x, y, epochs=2, verbose=0)
    assert all(np.abs(convert_to_numpy(gain) - 4.0).max() > 1e-3 for gain in gains)
    assert lipschitz_bound(model).value <= 1.0

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    # PyTorch sums in an order that depends on where the numbers lie.
    expected = {"desired": model.predict(x, verbose=0), "rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(again.predict(x, verbose=0), **expected)
    config = zoo.ModelConfig(
        "GradFlowNet",
        {
            "input_shape": [4, 4, 1],
            "num_classes": 3,
            **arguments,
            "patch_depths": [2],
            "activation": "softplus",
            "gain": 4.0,
            "train_gain": True,
        },
    )
    zoo.save_model(tmp_path / "model", model, config)
    loaded = lipzoo.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), **expected)
    round_weights(model)
    assert lipschitz_bound(model).value <= 1.0


def test_gains_stay_in_their_range_during_training():
    layer = GradientFlowConv2D(4, 3, activation="tanh", gain=2.0, train_gain=True)
    layer.build((None, 6, 6, 2))
    layer.gains.assign([-1.0, 1e9, 1.0, 2.0])
    lipzoo.project(layer)
    assert convert_to_numpy(layer.gains).tolist() == [2 / 64, 128.0, 1.0, 2.0]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_gain_without_meaning_has_no_bound(value):
    layer = _flow("tanh", gains=[1.0, value, 2.0, 1.0, 1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"gains that are finite and not zero. Received: .* 1 of"):
        layer.lipschitz_bound((None, 5))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "linear"])
def test_a_gain_that_changes_nothing_is_not_trained(name):
    with pytest.raises(ValueError, match=rf"σ\(cz\)/c = σ\(z\) for '{name}'"):
        GradientFlowDense(3, activation=name, train_gain=True)
