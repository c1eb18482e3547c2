"""Bounds of whole models against autodiff Jacobians, pairs of points and closed forms."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy

from lipzoo.bounds import UncertifiedLayerError, lipschitz_bound
from tests.graphs import on
from tests.truths import jacobian_norms, materialise, randomise_freely

layers = keras.layers


def scaling(factor, **arguments):
    return layers.Rescaling(factor, **arguments)


def residual(x):
    y = layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    y = layers.BatchNormalization()(y)
    return layers.Add()([x, layers.Conv2D(3, 3, padding="same")(y)])


def convolutional(x):
    x = residual(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.DepthwiseConv2D(2, strides=2, activation="tanh")(x)
    x = layers.Flatten()(x)
    return layers.Dense(4)(x)


def branched(x):
    parts = [layers.Conv2D(2, k, strides=2, padding="same")(x) for k in (1, 2, 3)]
    x = layers.Concatenate()(parts)
    x = layers.SeparableConv2D(3, 3, activation="softplus")(x)
    x = layers.Average()([x, layers.Maximum()([-x, 0.5 * x]), layers.Minimum()([x, 1 - x])])
    return layers.GlobalAveragePooling2D()(x)


def with_operations(x):
    x = 2 * x - 0.5
    y = ops.transpose(x, (0, 2, 1, 3))
    x = ops.concatenate([x + y, ops.abs(x - y)], axis=-1) / 3.0
    x = ops.maximum(x, 0.1)
    x = ops.reshape(x[:, 1:, :, ::2], (-1, 5 * 6 * 3))
    x = ops.clip(x, -1.0, 2.0)
    return layers.Dense(3)(ops.tanh(x))


MODELS = [convolutional, branched, with_operations]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("seed", [0, 1])
def test_jacobians_stay_below_the_bound(make, seed):
    model = randomise_freely(on((6, 6, 3), make), seed, scale=0.5)
    x = np.random.default_rng(seed).normal(size=(40, 6, 6, 3)).astype("float32")
    assert jacobian_norms(model, x).max() <= float(lipschitz_bound(model)) * (1 + 1e-5)


@pytest.mark.parametrize("make", MODELS)
def test_pairs_of_points_stay_within_the_bound(make):
    model = randomise_freely(on((6, 6, 3), make), scale=0.5)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 6, 6, 3)).astype("float32")
    y = x + generator.normal(size=x.shape) * 10.0 ** generator.uniform(-2, 1, (200, 1, 1, 1))
    y = y.astype("float32")
    moved = np.linalg.norm(convert_to_numpy(model(x)) - convert_to_numpy(model(y)), axis=1)
    distance = np.linalg.norm((x - y).reshape(200, -1), axis=1)
    assert np.all(moved <= float(lipschitz_bound(model)) * distance * (1 + 1e-4))


def test_the_norm_of_the_output_is_bounded_as_well():
    model = randomise_freely(on((6, 6, 3), convolutional), scale=0.5)
    bound = lipschitz_bound(model).output.bound
    x = np.random.default_rng(0).normal(size=(50, 6, 6, 3)).astype("float32")
    norms = np.linalg.norm(x.reshape(50, -1), axis=1)
    outputs = np.linalg.norm(convert_to_numpy(model(x)), axis=1)
    assert np.all(outputs <= bound.offset + bound.value * norms * (1 + 1e-5))


SHAPE = (4,)
CLOSED_FORMS = [
    (lambda x: layers.Add()([scaling(2.0)(x), scaling(0.5)(x)]), 2.5),
    (lambda x: layers.Subtract()([scaling(2.0)(x), scaling(0.5)(x)]), 2.5),
    (lambda x: layers.Average()([scaling(2.0)(x), scaling(1.0)(x)]), 1.5),
    (lambda x: layers.Concatenate()([scaling(3.0)(x), scaling(4.0)(x)]), 5.0),
    (lambda x: layers.Maximum()([scaling(3.0)(x), scaling(4.0)(x)]), 5.0),
    (lambda x: x + x, 2.0),
    (lambda x: ops.stack([x, x, x, x], axis=1), 2.0),
    (lambda x: x * np.array([[1.0, -3.0, 2.0, 0.0]], "float32"), 3.0),
    (lambda x: ops.sum(x, axis=-1), 2.0),
    (lambda x: ops.mean(x, axis=1, keepdims=True), 0.5),
    (lambda x: ops.expand_dims(x, -1) + np.zeros((1, 4, 9), "float32"), 3.0),
    (lambda x: layers.Add()([layers.RepeatVector(4)(x), ops.expand_dims(x, 1)]), 4.0),
    (lambda x: layers.Dropout(0.3)(layers.GaussianNoise(1.0)(x)), 1.0),
    (lambda x: ops.sort(ops.flip(ops.roll(x, 1, axis=1), axis=1), axis=-1), 1.0),
    (lambda x: ops.pad(x, [[0, 0], [1, 2]]), 1.0),
    (lambda x: layers.Identity()(x), 1.0),
    (lambda x: ops.relu(-x), 1.0),
    (lambda x: ops.softmax(x), 0.5),
]


@pytest.mark.parametrize(("make", "expected"), CLOSED_FORMS)
def test_closed_forms(make, expected):
    model = on(SHAPE, make)
    assert float(lipschitz_bound(model)) == pytest.approx(expected, rel=1e-12)
    x = np.random.default_rng(0).normal(size=(30, *SHAPE)).astype("float32")
    assert jacobian_norms(model, x).max() <= expected * (1 + 1e-6)


def test_exact_products_stay_exact():
    model = keras.Sequential([keras.Input((8, 8, 3)), *[layers.ReLU() for _ in range(30)]])
    model.add(layers.AveragePooling2D(2))
    assert float(lipschitz_bound(model)) == 0.5


def test_a_shared_layer_counts_once_per_application():
    shared = layers.Dense(4, use_bias=False, name="shared")
    model = on(SHAPE, lambda x: shared(shared(shared(x))))
    shared.set_weights([2 * np.eye(4)])
    bound = lipschitz_bound(model)
    assert float(bound) == pytest.approx(8.0, rel=1e-12)
    assert [row.name for row in bound.layers] == ["shared"] * 3
    assert [row.cumulative for row in bound.layers] == pytest.approx([2, 4, 8])


def test_nested_models_are_followed():
    inner = keras.Sequential([scaling(3.0, name="triple"), layers.ReLU()], name="inner")
    outer = on(SHAPE, lambda x: scaling(0.5)(inner(inner(x))))
    bound = lipschitz_bound(outer)
    assert float(bound) == pytest.approx(4.5)
    assert bound.layers[0].name == "inner/triple"
    wrapped = keras.Sequential([keras.Input(SHAPE), outer, inner])
    assert float(lipschitz_bound(wrapped)) == pytest.approx(13.5)


def test_a_part_of_a_model_is_bounded_without_the_rest():
    inputs = keras.Input(SHAPE)
    middle = scaling(3.0)(inputs)
    keras.Model(inputs, scaling(5.0)(middle))
    assert float(lipschitz_bound(keras.Model(inputs, middle))) == pytest.approx(3.0)


def test_several_inputs_and_outputs_count_together():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    total = layers.Add()([scaling(3.0)(a), scaling(4.0)(b)])
    assert float(lipschitz_bound(keras.Model([a, b], total))) == pytest.approx(5.0)
    side_by_side = layers.Concatenate()([scaling(3.0)(a), scaling(4.0)(b)])
    assert float(lipschitz_bound(keras.Model([a, b], side_by_side))) == pytest.approx(4.0)
    two = keras.Model([a, b], [total, side_by_side])
    matrix = np.block([[3 * np.eye(2), 4 * np.eye(2)], [3 * np.eye(2), np.zeros((2, 2))]])
    matrix = np.vstack([matrix, np.hstack([np.zeros((2, 2)), 4 * np.eye(2)])])
    assert np.linalg.norm(matrix, 2) <= float(lipschitz_bound(two)) <= np.hypot(5, 4) + 1e-9


def test_a_nested_model_with_several_inputs():
    a, b = keras.Input((2,)), keras.Input((2,))
    inner = keras.Model([a, b], layers.Subtract()([scaling(2.0)(a), b]))
    x = keras.Input((2,))
    model = keras.Model(x, inner([x, scaling(3.0)(x)]))
    assert float(lipschitz_bound(model)) == pytest.approx(5.0)
    assert np.linalg.norm(materialise(model, (2,)), 2) <= 5.0


def test_the_bound_follows_the_weights():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, use_bias=False)])
    dense = model.layers[0]
    for factor in (1.0, 3.0, 0.5):
        model.set_weights([factor * np.eye(3)])
        assert float(lipschitz_bound(model)) == pytest.approx(factor, rel=1e-12)
    dense.kernel.assign(2 * np.eye(3))
    assert float(lipschitz_bound(model)) == pytest.approx(2.0, rel=1e-12)
    dense.trainable = False
    assert float(lipschitz_bound(model)) == pytest.approx(2.0, rel=1e-12)
    dense.activation = keras.activations.sigmoid
    assert float(lipschitz_bound(model)) == pytest.approx(0.5, rel=1e-12)


def test_training_moves_the_bound_with_the_weights():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(8, "relu"), layers.Dense(2)])
    before = float(lipschitz_bound(model))
    optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_overwrite_frequency=2)
    model.compile(optimizer, "mse")
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    model.fit(x, 9 * x[:, :2], epochs=3, verbose=0)
    after = float(lipschitz_bound(model))
    assert after != before
    product = np.prod([np.linalg.norm(layer.get_weights()[0], 2) for layer in model.layers])
    assert after == pytest.approx(product, rel=1e-5)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


class Overridden(keras.Sequential):
    def call(self, x):
        return 2 * super().call(x)


def test_models_that_are_no_graph_are_refused_with_advice():
    model = Subclassed()
    model(np.zeros((1, 2), "float32"))
    with pytest.raises(UncertifiedLayerError, match="functional interface"):
        lipschitz_bound(model)
    with pytest.raises(UncertifiedLayerError, match="functional interface"):
        lipschitz_bound(Overridden([keras.Input((2,)), layers.ReLU()]))
    with pytest.raises(UncertifiedLayerError, match="subclassed"):
        lipschitz_bound(on((2,), lambda x: model(x)))
    with pytest.raises(ValueError, match="to be built"):
        lipschitz_bound(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(TypeError, match="Received: 'a path'"):
        lipschitz_bound("a path")


MIXING = [
    (lambda x: ops.mean(x, axis=0, keepdims=True) + x, "batch"),
    (lambda x: ops.flip(x, axis=0), "batch"),
    (lambda x: ops.reshape(x, (-1, 2)), "examples"),
    (lambda x: ops.sum(x), "batch"),
    (lambda x: x[0:1, :], "batch"),
    (lambda x: x * x, "product of two tensors"),
    (lambda x: 1.0 / x, "Division"),
    (lambda x: ops.exp(x), "no rule"),
    (lambda x: ops.matmul(x, ops.ones((4, 4))), "no rule"),
    (lambda x: layers.Multiply()([x, x]), "domain="),
    (lambda x: layers.Dropout(0.5)(x, training=True), "training=True"),
    (lambda x: layers.Concatenate(axis=0)([x, x]), "batch"),
    (lambda x: layers.Activation("softmax")(layers.Softmax(axis=0)(x)), "batch"),
    (lambda x: ops.max(x, axis=1, initial=3.0), "initial"),
    (lambda x: ops.min(x, axis=1, initial=0.0), "initial"),
]


@pytest.mark.parametrize(("make", "reason"), MIXING)
def test_what_mixes_examples_or_has_no_bound_is_refused(make, reason):
    with pytest.raises(UncertifiedLayerError, match=reason):
        lipschitz_bound(on(SHAPE, make))


def test_inputs_that_a_layer_does_not_cast_are_refused():
    # It averages float32 numbers in float32, whatever its dtype says.
    layer = layers.AveragePooling1D(4, dtype="float64", autocast=False)
    with pytest.raises(UncertifiedLayerError, match="float32 input is not cast to float64"):
        lipschitz_bound(on((4, 1), layer))
    assert float(lipschitz_bound(on((4, 1), layer, dtype="float64"))) == 0.5


def test_an_unknown_length_leaves_the_offset_open():
    model = on((None, 4), layers.Dense(3, bias_initializer="ones"))
    bound = lipschitz_bound(model)
    exact = np.linalg.norm(model.layers[-1].get_weights()[0].astype("float64"), 2)
    assert float(bound) == pytest.approx(exact)
    assert math.isinf(bound.output.bound.offset)


def test_masks_and_integer_inputs_are_refused():
    model = on((3, 2), lambda x: layers.GlobalAveragePooling1D()(layers.Masking()(x)))
    with pytest.raises(UncertifiedLayerError, match="bool"):
        lipschitz_bound(model)
    with pytest.raises(UncertifiedLayerError, match="floating point"):
        lipschitz_bound(on((3,), scaling(1 / 255), dtype="uint8"))


def test_the_table_is_readable_and_rounded_upwards():
    model = keras.Sequential(
        [keras.Input((2,)), scaling(1 / 3, name="third"), layers.ReLU(name="relu")], name="net"
    )
    bound = lipschitz_bound(model)
    table = str(bound)
    header, _, first, second, _, total = table.splitlines()
    assert header.split() == ["Layer", "Type", "Bound", "Cumulative", "Derivation"]
    assert first.split()[:4] == ["third", "Rescaling", "0.3333334", "0.3333334"]
    assert second.split()[:3] == ["relu", "ReLU", "1"]
    assert total == "Lipschitz bound of 'net': 0.3333334"
    assert repr(bound).startswith("<LipschitzBound 0.333333")
