"""Rules for what backbones are made of: statistics of an example, einsum, resizing, activations."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.ops import convert_to_numpy
from scipy import special

import lipzoo
from lipzoo import activations
from lipzoo.bounds import UncertifiedLayerError, lipschitz_bound
from lipzoo.bounds.rule_registry import check_layer, layer_bound
from lipzoo.keras_internals import CustomScaleLayer, LayerScale
from lipzoo.rounding import unit_roundoff
from tests.truths import exact_norm, jacobian_norms, randomise_freely

BEYOND_LIPZOO = sorted(set(activations.bounded()) - set(activations.known()))


def built(layer, shape):
    layer.build((None, *shape))
    return randomise_freely(layer)


AFFINE = [
    (layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d", dtype="float64"), (3, 4)),
    (layers.EinsumDense("abc,bcd->abd", (3, 5), bias_axes="bd", dtype="float64"), (3, 4)),
    (layers.EinsumDense("...ab,bca->...ca", (5, 3), dtype="float64"), (2, 3, 4)),
    (layers.EinsumDense("abcd,cde->abe", (2, 5), bias_axes="e", dtype="float64"), (2, 3, 4)),
    (layers.UpSampling2D((2, 3), interpolation="bilinear", dtype="float64"), (3, 4, 1)),
    (layers.UpSampling2D(2, interpolation="bilinear", dtype="float64"), (1, 5, 2)),
    (layers.AdaptiveAveragePooling1D(4, dtype="float64"), (6, 2)),
    (layers.AdaptiveAveragePooling2D((2, 3), dtype="float64"), (5, 7, 1)),
    (layers.AdaptiveAveragePooling2D((4, 3), dtype="float64"), (2, 7, 1)),
    (LayerScale(0.5, 4, dtype="float64"), (2, 4)),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("layer", "shape"), AFFINE, ids=[type(a).__name__ for a, _ in AFFINE])
def test_affine_layers_have_the_norm_of_their_matrix(layer, shape):
    built(layer, shape)
    bound = layer_bound(layer, (None, *shape))
    exact = exact_norm(layer, shape)
    # The backends take the weights of an interpolation in float32.
    assert exact * (1 - 1e-6) <= bound.value <= exact * (1 + 1e-6)
    at_zero = np.linalg.norm(convert_to_numpy(layer(np.zeros((1, *shape)))))
    assert at_zero * (1 - 1e-12) <= bound.offset <= at_zero * (1 + 1e-6)


STATISTICS = [
    (layers.LayerNormalization(epsilon=1e-3), (4,), "gamma"),
    (layers.LayerNormalization(axis=(1, 2), epsilon=1e-2), (3, 2), "gamma"),
    (layers.GroupNormalization(2, epsilon=1e-2), (3, 4), "gamma"),
    (layers.RMSNormalization(epsilon=1e-2), (4,), "scale"),
]


@pytest.mark.parametrize(("layer", "shape", "name"), STATISTICS)
def test_statistics_of_an_example_are_steepest_where_it_is_constant(layer, shape, name):
    model = keras.Sequential([keras.Input(shape), built(layer, shape)])
    directions = np.random.default_rng(0).normal(size=(60, *shape))
    sizes = np.logspace(-6, 2, 60).reshape(-1, *[1] * len(shape))
    points = (directions * sizes).astype("float32")
    bound = lipschitz_bound(model)
    steepest = jacobian_norms(model, points).max()
    assert 0.8 * bound.value <= steepest <= bound.value * (1 + 1e-5)
    # With gamma = 1 the mean is all that is projected out, and the bound is reached.
    weight = getattr(layer, name)
    weight.assign(ops.ones(weight.shape))
    even = lipschitz_bound(model).value
    assert even / jacobian_norms(model, points).max() == pytest.approx(1, rel=1e-3)
    assert even == pytest.approx(layer.epsilon**-0.5, rel=1e-6)
    # How much it rounds is not known.
    with pytest.raises(ValueError, match=r"rounding error of .* is not known"):
        lipzoo.certify(keras.Sequential([model, layers.Flatten(), layers.Dense(3)]), points[:2])


def test_statistics_that_have_no_bound_are_refused():
    layer = built(layers.LayerNormalization(), (4,))
    layer.rms_scaling = True
    with pytest.raises(UncertifiedLayerError, match="RMSNormalization"):
        layer_bound(layer, (None, 4))
    layer = built(layers.GroupNormalization(2), (3, 4))
    with pytest.raises(UncertifiedLayerError, match="build the model anew"):
        layer_bound(layer, (None, 3, 6))
    with pytest.raises(UncertifiedLayerError, match="unknown size"):
        layer_bound(built(layers.RMSNormalization(axis=(1, 2)), (3, 4)), (None, None, 4))


@pytest.mark.parametrize(
    "equation",
    ["ab,bc->ac", "abc,cd->bad", "abc,ac->ab", "abc,cd->ad", "abb,bc->ac", "ab...,bc->ac..."],
)
def test_an_einsum_that_mixes_examples_or_sums_alone_is_refused(equation):
    layer = layers.EinsumDense("ab,bc->ac", 3)
    layer.build((None, 4))
    layer.equation = equation
    if equation == "ab,bc->ac":
        assert layer_bound(layer, (None, 4)).value > 0
        return
    with pytest.raises(UncertifiedLayerError, match="equation"):
        layer_bound(layer, (None, 3, 4))
    # The list of refused layers says so too, without the norm.
    with pytest.raises(UncertifiedLayerError, match="equation"):
        check_layer(layer, (None, 3, 4))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of Keras on TensorFlow")
def test_sums_that_tensorflow_takes_for_biases_are_refused():
    # findings/keras-tensorflow-add-bias.sh: here called on 4 examples, or on one.
    x = keras.Input((3, 4))
    level = ops.mean(x, axis=(1, 2), keepdims=True)
    add, average = layers.Add(), layers.Average()
    for merge in (ops.add, lambda *pair: add(pair), lambda *pair: average(pair)):
        with pytest.raises(UncertifiedLayerError, match="another axis"):
            lipschitz_bound(keras.Model(x, merge(x, level)))
    row = layers.Add()([x, ops.mean(x, axis=1, keepdims=True)])
    assert lipschitz_bound(keras.Model(x, row)).value == pytest.approx(2.0)
    square = keras.Input((4, 4))
    with pytest.raises(UncertifiedLayerError, match="another axis"):
        lipschitz_bound(keras.Model(square, square + ops.mean(square, axis=2, keepdims=True)))
    model = keras.Model(x, x - ops.negative(level))
    points = np.random.default_rng(0).normal(size=(4, 3, 4)).astype("float32")
    exact = points + points.mean(axis=(1, 2), keepdims=True)
    assert np.asarray(model(points)) == pytest.approx(exact, abs=1e-5)
    assert lipschitz_bound(model).value == pytest.approx(2.0)
    bias = layers.EinsumDense("abc,cd->abd", (3, 3), bias_axes="b")
    bias.build((None, 3, 3))
    with pytest.raises(UncertifiedLayerError, match="add a number"):
        layer_bound(bias, (None, 3, 3))


@pytest.mark.parametrize("name", BEYOND_LIPZOO)
def test_slopes_and_rounding_of_the_activations_of_keras(name):
    found = activations.slopes_of(name)
    z = np.linspace(-12, 12, 24001)
    function = getattr(keras.activations, name, found.function)
    with np.errstate(over="ignore"):
        exact = _in_float64(name)(z)
    computed = convert_to_numpy(function(ops.convert_to_tensor(z, "float32"))).astype("float64")
    unit = unit_roundoff("float32")
    # z itself is rounded, too.
    allowed = unit * (found.error_units[0] * np.abs(z) + found.error_units[1])
    assert (np.abs(computed - exact) <= allowed + unit * np.abs(z) * found.lipschitz).all()
    secants = np.diff(exact) / np.diff(z)
    assert found.lower - 1e-9 <= secants.min() <= found.lower + 2e-3
    assert found.upper - 2e-3 <= secants.max() <= found.upper + 1e-9
    assert found.at_zero == pytest.approx(_in_float64(name)(np.zeros(1))[0], abs=1e-15)
    model = keras.Sequential([keras.Input((3,)), layers.Activation(found.function)])
    if hasattr(keras.activations, name):
        model = keras.Sequential([keras.Input((3,)), layers.Activation(name)])
        assert lipschitz_bound(model).value == found.lipschitz


def _in_float64(name):
    def softplus(z):
        return np.logaddexp(z, 0.0)

    def hard_sigmoid(z):
        return np.clip(z / 6 + 0.5, 0, 1)

    return {
        "hard_sigmoid": hard_sigmoid,
        "hard_silu": lambda z: z * hard_sigmoid(z),
        "selu": lambda z: (
            1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * special.expm1(z))
        ),
        "celu": lambda z: np.where(z > 0, z, special.expm1(z)),
        "gelu_approximate": lambda z: (
            0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
        ),
        "mish": lambda z: z * np.tanh(softplus(z)),
        "log_sigmoid": lambda z: -softplus(-z),
        "soft_shrink": lambda z: np.sign(z) * np.maximum(np.abs(z) - 0.5, 0),
        "tanh_shrink": lambda z: z - np.tanh(z),
        "sparse_plus": lambda z: np.where(z <= -1, 0, np.where(z < 1, 0.25 * (z + 1) ** 2, z)),
        "sparse_sigmoid": lambda z: np.clip(0.5 * (z + 1), 0, 1),
    }[name]


@pytest.mark.parametrize("name", ["hard_shrink", "threshold", "glu", "exponential"])
def test_an_activation_without_a_slope_says_why(name):
    with pytest.raises(UncertifiedLayerError, match=f"{name} is not Lipschitz"):
        layer_bound(layers.Activation(name), (None, 4))


def test_operations_of_the_same_activations():
    x = keras.Input((4,))
    y = ops.gelu(ops.hard_silu(ops.selu(ops.log_sigmoid(x))), approximate=True)
    bound = lipschitz_bound(keras.Model(x, y)).value
    assert bound == pytest.approx(1.7580993408 * 1.5 * 1.129, rel=1e-5)
    with pytest.raises(UncertifiedLayerError, match=r"threshold=0.5"):
        lipschitz_bound(keras.Model(x, ops.soft_shrink(x, threshold=0.1)))


def test_a_scaled_branch_of_inception_resnet():
    x = keras.Input((4,))
    y = CustomScaleLayer(0.25)([x, layers.Dense(4, use_bias=False)(x)])
    model = randomise_freely(keras.Model(x, y))
    kernel = convert_to_numpy(model.layers[1].kernel)
    bound = lipschitz_bound(model)
    assert bound.value == pytest.approx(1 + 0.25 * np.linalg.norm(kernel, 2), rel=1e-6)
    assert exact_norm(model, (4,)) <= bound.value
    assert np.isfinite(bound.output.bound.rounding_slope)


def gated():
    x = keras.Input((8,), name="x")
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(8, activation="glu", name="d")])
    inner.name = "inner"
    y = layers.Multiply(name="gate")([x, inner(layers.Lambda(lambda t: t, name="own")(x))])
    return keras.Model(x, layers.Dense(2, name="last")(y))


def test_all_layers_without_a_rule_are_listed_at_once(monkeypatch):
    model = gated()

    def never(*args, **kwargs):
        raise AssertionError("a norm was computed")

    monkeypatch.setattr("lipzoo.bounds.rules.linear.dense_norm_bound", never)
    found = lipzoo.uncertified_layers(model)
    assert [(row.name, row.type) for row in found] == [
        ("own", "Lambda"),
        ("inner/d", "Dense"),
        ("gate", "Multiply"),
    ]
    assert "glu is not Lipschitz" in found[1].reason


def test_the_first_refusal_tells_of_the_others():
    with pytest.raises(UncertifiedLayerError, match="first of 3 such layers") as caught:
        lipschitz_bound(gated())
    assert caught.value.layer_name == "own"
    x = keras.Input((4,))
    with pytest.raises(UncertifiedLayerError) as caught:
        lipschitz_bound(keras.Model(x, layers.Activation("glu")(x)))
    assert "such layers" not in str(caught.value)


def test_a_layer_alone_is_listed_or_not():
    dense = built(layers.Dense(2), (3,))
    assert lipzoo.uncertified_layers(dense) == []
    assert [row.type for row in lipzoo.uncertified_layers(built(layers.LSTM(2), (3, 4)))] == [
        "LSTM"
    ]
    with pytest.raises(TypeError, match="Received"):
        lipzoo.uncertified_layers("gradflow-fmnist")
