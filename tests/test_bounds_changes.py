"""What is set after a model was built is read when its bound is, or refused."""

import keras
import numpy as np
import pytest
from keras import ops

import lipzoo
from lipzoo.bounds import UncertifiedLayerError, lipschitz_bound
from lipzoo.layers import GradientFlowDense, HamiltonianDense, SpectralConv1D, SpectralDense
from tests.graphs import on

layers = keras.layers
pytestmark = pytest.mark.usefixtures("own_rules")


@pytest.mark.parametrize(
    ("make", "shape", "change", "reason"),
    [
        (lambda: layers.Conv2D(1, 1), (12, 12, 1), {"strides": (6, 6)}, "returns shape"),
        (lambda: layers.MaxPooling2D(2), (12, 12, 1), {"pool_size": (3, 3)}, "returns shape"),
        (lambda: layers.AveragePooling2D(2), (4, 4, 1), {"pool_mode": "max"}, "pool_mode"),
        (lambda: layers.Conv2D(4, 1), (4, 4, 4), {"groups": 2}, "groups=2"),
        (lambda: layers.ReLU(), (2,), {"max_value": -1.0}, "max_value"),
        (lambda: layers.LeakyReLU(), (1,), {"negative_slope": np.ones(3)}, "negative_slope"),
        (lambda: layers.PReLU(), (1,), {"alpha": np.ones(3, "float32")}, "alpha"),
        (
            lambda: layers.Normalization(mean=0.0, variance=1.0),
            (1,),
            {"variance": np.ones((1, 3), "float32")},
            "would be copied",
        ),
        (lambda: layers.Concatenate(), (2,), {"axis": 1}, None),
        (lambda: layers.ReLU(), (2,), {"_convert_input_args": False}, None),
    ],
)
def test_attributes_set_later_are_read_or_refused(make, shape, change, reason):
    layer = make()
    merges = isinstance(layer, layers.Concatenate)
    model = on(shape, lambda x: layer([x, x]) if merges else layer(x))
    assert float(lipschitz_bound(model)) > 0
    for name, value in change.items():
        setattr(layer, name, value)
    if reason is None:
        assert float(lipschitz_bound(model)) > 0
    else:
        with pytest.raises(UncertifiedLayerError, match=reason):
            lipschitz_bound(model)


@pytest.mark.parametrize("make", [GradientFlowDense, HamiltonianDense])
def test_steps_along_no_potential_are_refused(make):
    layer = make()
    model = on((4,), layer)
    layer.activation = lipzoo.activations.get("gelu")
    with pytest.raises(ValueError, match="non-decreasing"):
        lipschitz_bound(model)
    layer.activation = lipzoo.activations.get("tanh")
    layer.step_size = -1.0
    with pytest.raises(ValueError, match="step_size"):
        lipschitz_bound(model)


def test_a_negative_moving_variance_is_refused():
    layer = layers.BatchNormalization()
    model = on((2,), layer)
    layer.moving_variance.assign([-0.0009, 1.0])
    with pytest.raises(ValueError, match="moving_variance >= 0"):
        lipschitz_bound(model)


def set_on(shape, layer, **weights):
    """A model whose layer, once built, is given other arrays for weights."""
    model = on(shape, lambda x: ops.sum(layer(x), axis=-1, keepdims=True))
    for name, weight in weights.items():
        setattr(layer, name, np.ones(weight, "float32"))
    return model


@pytest.mark.parametrize(
    ("shape", "make", "weights"),
    [
        ((2,), lambda: layers.Dense(4), {"_kernel": (2, 400)}),
        ((2,), lambda: layers.Dense(1), {"bias": (400,)}),
        ((5, 2), lambda: layers.Conv1D(3, 1), {"_kernel": (1, 2, 400), "bias": (400,)}),
        ((5, 2), lambda: layers.DepthwiseConv1D(1, use_bias=False), {"kernel": (1, 2, 200)}),
        ((5, 2), lambda: layers.SeparableConv1D(2, 1), {"pointwise_kernel": (1, 2, 200)}),
        ((5, 2), lambda: layers.Conv1DTranspose(2, 1, use_bias=False), {"kernel": (1, 99, 2)}),
        ((2,), lambda: SpectralDense(1), {"bias": (400,)}),
        ((2,), lambda: SpectralDense(2, use_bias=False), {"kernel": (2, 400)}),
        ((5, 2), lambda: SpectralConv1D(2, 1, use_bias=False), {"kernel": (1, 2, 400)}),
        ((2,), lambda: lipzoo.layers.UnitNormDense(1), {"bias": (400,)}),
        ((1,), lambda: GradientFlowDense(1), {"bias": (400,)}),
        ((1,), lambda: GradientFlowDense(1, activation="tanh", train_gain=True), {"gains": (400,)}),
    ],
)
def test_weights_of_other_shapes_are_refused(shape, make, weights):
    lipschitz_bound(set_on(shape, make()))
    with pytest.raises((UncertifiedLayerError, ValueError), match="shape"):
        lipschitz_bound(set_on(shape, make(), **weights))
