"""Rules for Keras layers against the operator norm of the layer written out as a matrix."""

import math

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras.ops import convert_to_numpy

from lipzoo.bounds import LayerBound, UncertifiedLayerError, lipschitz_bound
from lipzoo.bounds.rule_registry import layer_bound
from lipzoo.bounds.rules.pooling import average_norm_1d
from tests.truths import exact_norm, jacobian_norms, randomise_freely

layers = keras.layers
few = settings(max_examples=25, deadline=None, derandomize=True)
# Rules that give the exact norm may exceed it by float64 rounding only.
TIGHT = 1 + 1e-9


def built(layer, shape, seed=0):
    if not layer.built:
        layer.build((None, *shape))
    return randomise_freely(layer, seed)


def bound_of(layer, shape):
    return layer_bound(layer, (None, *shape))


EXACT = [
    (layers.Dense(3, dtype="float64"), (5,)),
    (layers.Dense(3, dtype="float64"), (2, 4)),
    (layers.BatchNormalization(dtype="float64"), (3, 2)),
    (layers.BatchNormalization(axis=1, scale=False, dtype="float64"), (3, 2)),
    (layers.BatchNormalization(center=False, dtype="float64"), (4,)),
    (layers.Rescaling(-0.3, offset=2.0, dtype="float64"), (4,)),
    (layers.Rescaling([0.125, 0.75], offset=[1.0, 2.0], dtype="float64"), (3, 2)),
    (layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 0.25], dtype="float64"), (2,)),
    (layers.Normalization(mean=1.0, variance=9.0, invert=True, dtype="float64"), (2,)),
    (layers.Flatten(), (2, 3)),
    (layers.Reshape((3, 2)), (2, 3)),
    (layers.Permute((2, 1)), (2, 3)),
    (layers.ZeroPadding1D(2), (3, 2)),
    (layers.ZeroPadding2D(((1, 0), (2, 1))), (3, 2, 1)),
    (layers.Cropping1D(1), (4, 2)),
    (layers.Cropping2D(1), (4, 3, 1)),
    (layers.UpSampling1D(3), (2, 2)),
    (layers.UpSampling2D((2, 3)), (2, 2, 1)),
    (layers.RepeatVector(5), (3,)),
    (layers.GlobalAveragePooling1D(), (5, 2)),
    (layers.GlobalAveragePooling2D(), (2, 3, 2)),
    (layers.GlobalAveragePooling2D(data_format="channels_first"), (2, 3, 2)),
    (layers.AveragePooling2D((2, 3)), (4, 6, 1)),
    (layers.Dropout(0.5), (4,)),
    (layers.GaussianNoise(1.0), (4,)),
    (layers.SpatialDropout1D(0.5), (4, 2)),
    (layers.Identity(), (4,)),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("layer", "shape"), EXACT, ids=[f"{type(a).__name__}-{s}" for a, s in EXACT]
)
def test_rules_for_affine_layers_are_exact(layer, shape):
    built(layer, shape)
    exact = exact_norm(layer, shape)
    assert exact * (1 - 1e-6) <= bound_of(layer, shape).value <= exact * (1 + 1e-6)
    # Layers made outside of a test have the constants that other backends narrow.
    if layer.compute_dtype == "float64" and keras.backend.backend() == "tensorflow":
        assert exact * (1 - 1e-13) <= bound_of(layer, shape).value <= exact * TIGHT


@pytest.mark.parametrize(("layer", "shape"), EXACT)
def test_the_offset_bounds_the_output_at_zero(layer, shape):
    built(layer, shape)
    at_zero = np.linalg.norm(convert_to_numpy(layer(np.zeros((1, *shape)))))
    assert at_zero <= bound_of(layer, shape).offset * (1 + 1e-6)


@few
@given(
    rank=st.sampled_from([1, 2]),
    size=st.integers(1, 4),
    stride=st.integers(1, 4),
    length=st.integers(1, 7),
    padding=st.sampled_from(["same", "valid"]),
    seed=st.integers(0, 100),
)
def test_pooling_of_every_size_stride_and_padding(rank, size, stride, length, padding, seed):
    assume(padding == "same" or length >= size)
    repeats = padding == "same" and keras.backend.backend() == "torch"
    # Where the border is repeated, uneven margins have no rule.
    assume(not (repeats and max((-(-length // stride) - 1) * stride + size - length, 0) % 2))
    shape = (length,) * rank + (2,)
    average = {1: layers.AveragePooling1D, 2: layers.AveragePooling2D}[rank]
    layer = built(average(size, stride, padding, dtype="float64"), shape)
    exact = exact_norm(layer, shape)
    assert exact * (1 - 1e-12) <= bound_of(layer, shape).value <= exact * TIGHT
    if not repeats:
        free = layer_bound(layer, (None,) * (rank + 1) + (2,)).value
        assert exact * (1 - 1e-12) <= free

    maximum = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D}[rank]
    layer = built(maximum(size, stride, padding, dtype="float64"), shape)
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(50, *shape)) * generator.choice([0, 1], size=(50, *shape))
    y = x + generator.normal(size=x.shape) * generator.choice([0, 1], size=x.shape, p=[0.9, 0.1])
    value = bound_of(layer, shape).value
    moved = convert_to_numpy(layer(x)) - convert_to_numpy(layer(y))
    norms = np.linalg.norm(moved.reshape(50, -1), axis=1)
    assert np.all(norms <= value * np.linalg.norm((x - y).reshape(50, -1), axis=1) + 1e-12)


def test_overlapping_maxima_reach_their_bound():
    layer = layers.MaxPooling1D(3, 1, padding="same")
    peak = np.zeros((1, 5, 1), "float32")
    peak[0, 2, 0] = 1
    moved = np.linalg.norm(convert_to_numpy(layer(peak)))
    assert moved == pytest.approx(bound_of(layer, (5, 1)).value, rel=1e-6)


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, "same"), (4, 2, "valid")])
def test_long_signals_use_a_bound_that_is_close(size, stride, padding):
    long, exact = (average_norm_1d(n, size, stride, padding) for n in (600, 500))
    assert exact * (1 - 1e-3) <= long <= exact * 1.2


@few
@given(
    rank=st.sampled_from([1, 2]),
    size=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.sampled_from(["same", "valid", "causal"]),
    dilation=st.integers(1, 2),
    channels=st.integers(1, 3),
    length=st.integers(3, 6),
    seed=st.integers(0, 100),
)
def test_convolutions(rank, size, stride, padding, dilation, channels, length, seed):
    assume(stride == 1 or dilation == 1)
    assume(padding != "causal" or rank == 1)
    assume(padding != "valid" or (size - 1) * dilation < length)
    kind = {1: layers.Conv1D, 2: layers.Conv2D}[rank]
    layer = kind(
        2, size, stride, padding=padding, dilation_rate=dilation, use_bias=True, dtype="float64"
    )
    shape = (length,) * rank + (channels,)
    built(layer, shape, seed)
    exact, bound = exact_norm(layer, shape), bound_of(layer, shape)
    assert exact <= bound.value * (1 + 1e-12)
    assert bound.value <= 2.0 * exact + 1e-9
    free = layer_bound(layer, (None,) * (rank + 1) + (channels,))
    assert bound.value <= free.value * (1 + 1e-9)
    assert math.isinf(free.offset)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a fault of TensorFlow")
def test_convolutions_that_tensorflow_computes_wrongly_are_refused():
    def conv(kernel_size, strides, shape, **arguments):
        layer = built(layers.Conv2D(1, kernel_size, strides=strides, **arguments), shape)
        return bound_of(layer, shape)

    wrong = [
        ((1, 3), (1, 2), (6, 3, 1), {}),
        ((2, 2), (1, 2), (4, 2, 1), {"padding": "same"}),
        ((1, 3), (1, 2), (6, None, 1), {}),
    ]
    for kernel_size, strides, shape, arguments in wrong:
        with pytest.raises(UncertifiedLayerError, match="wrong numbers: use equal strides"):
            conv(kernel_size, strides, shape, **arguments)
    right = [
        ((1, 3), (1, 2), (6, 5, 1)),
        ((1, 3), (1, 2), (1, 3, 1)),
        ((3, 1), (1, 2), (6, 2, 1)),
        ((3, 1), (2, 1), (3, 6, 1)),
        ((1, 3), (2, 2), (6, 3, 1)),
    ]
    for kernel_size, strides, shape in right:
        layer = built(layers.Conv2D(1, kernel_size, strides=strides), shape)
        assert exact_norm(layer, shape) <= bound_of(layer, shape).value * (1 + 1e-6)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda **kw: layers.DepthwiseConv1D(3, depth_multiplier=2, **kw), (7, 2)),
        (lambda **kw: layers.DepthwiseConv2D(3, depth_multiplier=2, **kw), (6, 5, 2)),
        (lambda **kw: layers.SeparableConv1D(3, 3, **kw), (6, 2)),
        (lambda **kw: layers.SeparableConv2D(2, 3, depth_multiplier=2, **kw), (6, 6, 2)),
        (lambda **kw: layers.Conv1DTranspose(2, 3, **kw), (5, 3)),
        (lambda **kw: layers.Conv2DTranspose(2, 3, **kw), (4, 4, 2)),
        (lambda **kw: layers.Conv2DTranspose(2, (2, 3), **kw), (3, 4, 1)),
    ],
)
def test_other_convolutions(make, shape, stride, padding):
    strides = {"strides": stride} if stride > 1 else {}
    layer = built(make(padding=padding, dtype="float64", **strides), shape)
    exact, value = exact_norm(layer, shape), bound_of(layer, shape).value
    assert exact <= value * (1 + 1e-12)
    assert value <= 2.5 * exact


def test_grouped_convolution():
    layer = built(layers.Conv1D(4, 3, groups=2, padding="same"), (6, 4))
    exact, value = exact_norm(layer, (6, 4)), bound_of(layer, (6, 4)).value
    assert exact <= value * (1 + 1e-6)
    assert value <= 1.5 * exact


def test_the_kernel_that_breaks_circular_bounds_is_bounded():
    second_difference = np.outer([-1.0, 2.0, -1.0], [-1.0, 2.0, -1.0])
    layer = layers.Conv2D(1, 3, padding="same", use_bias=False, dtype="float64")
    layer.build((None, 3, 3, 1))
    layer.set_weights([second_difference[:, :, None, None]])
    assert bound_of(layer, (3, 3, 1)).value >= exact_norm(layer, (3, 3, 1)) > 11.6


ACTIVATIONS = [
    "relu",
    "leaky_relu",
    "tanh",
    "sigmoid",
    "softplus",
    "softsign",
    "elu",
    "silu",
    "gelu",
    "relu6",
    "softmax",
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_alone_and_fused(name):
    inputs = keras.Input((6,), dtype="float64")
    alone = keras.Model(inputs, layers.Activation(name, dtype="float64")(inputs))
    x = np.random.default_rng(0).normal(size=(200, 6)) * 3
    slopes = jacobian_norms(alone, x)
    value = lipschitz_bound(alone).value
    assert slopes.max() <= value * (1 + 1e-12)
    assert value <= 2.3 * slopes.max()
    at_zero = np.linalg.norm(convert_to_numpy(alone(np.zeros((1, 6)))))
    assert at_zero <= lipschitz_bound(alone).output.bound.offset * (1 + 1e-12)

    fused = keras.Sequential(
        [keras.Input((4,), dtype="float64"), layers.Dense(6, activation=name, dtype="float64")]
    )
    randomise_freely(fused)
    assert jacobian_norms(fused, x[:, :4]).max() <= lipschitz_bound(fused).value


@pytest.mark.parametrize(
    "layer",
    [
        layers.ReLU(negative_slope=1.7),
        layers.ReLU(max_value=2.0),
        layers.LeakyReLU(negative_slope=3.0),
        layers.PReLU(alpha_initializer=keras.initializers.RandomUniform(-4, 4)),
        layers.ELU(alpha=2.5),
        layers.Softmax(),
    ],
)
def test_activation_layers(layer):
    model = keras.Sequential([keras.Input((5,)), layer])
    x = np.random.default_rng(0).normal(size=(100, 5)).astype("float32")
    assert jacobian_norms(model, x).max() <= lipschitz_bound(model).value * (1 + 1e-6)


class OwnDense(keras.layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


def own_activation(x):
    return 3 * x


def with_lora():
    layer = layers.Dense(4)
    layer.build((None, 4))
    layer.enable_lora(2)
    return layer


REFUSED = [
    (layers.LayerNormalization(epsilon=0.0), "not continuous"),
    (layers.Lambda(lambda x: x), "Lambda"),
    (layers.Embedding(3, 2), "no rule"),
    (layers.ReLU(threshold=1.0), "discontinuous"),
    (layers.Activation("exponential"), "exponential"),
    (layers.Dense(2, activation=own_activation), "own_activation"),
    (OwnDense(2), "subclasses Dense"),
    (layers.UnitNormalization(), "steeper"),
    (layers.LSTM(2), "no rule"),
    (with_lora(), "LoRA"),
]


@pytest.mark.parametrize(("layer", "reason"), REFUSED, ids=[type(a).__name__ for a, _ in REFUSED])
def test_layers_without_a_proof_are_refused_by_name(layer, reason):
    if not layer.built and not isinstance(layer, layers.LSTM):
        layer.build((None, 4))
    with pytest.raises(UncertifiedLayerError) as caught:
        layer_bound(layer, (None, 4))
    message = str(caught.value)
    assert layer.name in message
    assert type(layer).__name__ in message
    assert reason in message
    assert "register_bound_rule" in message


def test_quantized_layers_are_refused():
    layer = built(layers.Dense(4), (4,))
    layer.quantize("int8")
    with pytest.raises(UncertifiedLayerError, match=r"Expected a floating.*Received: 'int8_from_"):
        layer_bound(layer, (None, 4))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_in_the_weights_is_named(bad):
    layer = built(layers.Dense(2, name="broken"), (2,))
    layer.kernel.assign([[1.0, bad], [0.0, 0.0]])
    with pytest.raises(ValueError, match=r"NaN or infinity in 'kernel' of layer 'broken'"):
        lipschitz_bound(layer)


def test_a_single_layer_has_a_bound_once_it_is_built():
    layer = layers.Dense(3, use_bias=False)
    with pytest.raises(ValueError, match="to be built"):
        lipschitz_bound(layer)
    layer.build((None, 3))
    layer.set_weights([2 * np.eye(3)])
    assert float(lipschitz_bound(layer)) == pytest.approx(2.0, rel=1e-12)


def test_layer_bounds_check_their_numbers():
    with pytest.raises(ValueError, match="Received: value=-1"):
        LayerBound(-1.0, "nonsense")
    with pytest.raises(ValueError, match="Received: value='one'"):
        LayerBound("one", "nonsense")
    with pytest.raises(ValueError, match="both given"):
        LayerBound(1.0, "half a claim", rounding_slope=0.0)


def test_average_pooling_with_repeated_margins_is_refused(monkeypatch):
    # PyTorch's margins repeat the border where they are uneven; this is what Keras says it runs on.
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(UncertifiedLayerError, match="repeats the border"):
        layer_bound(layers.AveragePooling1D(4, 4, padding="same"), (None, 5, 1))
    assert layer_bound(layers.AveragePooling1D(4, 4, padding="same"), (None, 6, 1)).value <= 1.0
    assert layer_bound(layers.AveragePooling1D(4, 4), (None, 5, 1)).value == 0.5
