"""1-Lipschitz layers, isometries and the head against materialised operators."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from lipzoo.layers import (
    DepthToSpace,
    GroupSort,
    Lift,
    Project,
    ScaledAveragePooling1D,
    ScaledAveragePooling2D,
    SpaceToDepth,
    SpectralConv1D,
    SpectralConv2D,
    SpectralDense,
    UnitNormDense,
)
from lipzoo.spectral import conv_norm_bound
from tests.helpers import compile_fast, examples
from tests.truths import linear_operator, randomise

LINEAR = [
    (Lift(5), (4, 3)),
    (Project(2), (4, 3)),
    (SpaceToDepth(2), (4, 6, 3)),
    (SpaceToDepth(3), (6, 2)),
    (DepthToSpace(2), (2, 3, 8)),
    (DepthToSpace(2), (3, 4)),
    (ScaledAveragePooling1D(2), (4, 3)),
    (ScaledAveragePooling1D(None), (5, 2)),
    (ScaledAveragePooling2D((2, 3)), (4, 6, 2)),
    (ScaledAveragePooling2D(None), (3, 3, 2)),
    (SpectralDense(6, use_bias=False), (4,)),
    (SpectralDense(3, use_bias=False), (2, 7)),
    (SpectralConv1D(4, 3, use_bias=False), (8, 2)),
    (SpectralConv1D(4, 4, strides=2, padding="circular", shift=1, use_bias=False), (8, 2)),
    (SpectralConv2D(4, 3, strides=2, use_bias=False), (7, 6, 2)),
    (SpectralConv2D(3, (1, 3), strides=(1, 2), use_bias=False), (6, 3, 1)),
    (SpectralConv2D(3, (3, 2), padding="valid", use_bias=False), (6, 6, 2)),
    (SpectralConv2D(9, 2, strides=2, use_bias=False), (5, 5, 2)),
    (UnitNormDense(4, use_bias=False), (6,)),
]


@pytest.mark.parametrize(
    ("layer", "shape"), LINEAR, ids=[f"{type(x).__name__}-{shape}" for x, shape in LINEAR]
)
def test_bound_covers_the_exact_norm_and_one_is_reached(layer, shape):
    layer.build((None, *shape))
    randomise(layer, seed=1)
    exact = np.linalg.norm(linear_operator(layer, shape).astype("float64"), 2)
    bound = layer.lipschitz_bound((None, *shape)).value
    assert exact <= bound * (1 + 1e-6)
    if not isinstance(layer, UnitNormDense):
        assert bound <= 1.0
    if not layer.weights:
        assert exact == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("shape", [(4, 6, 3), (6, 2)])
def test_rearrangements_are_inverse_to_each_other(shape):
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    assert np.array_equal(ops.convert_to_numpy(DepthToSpace(2)(SpaceToDepth(2)(x))), x)


def test_space_to_depth_keeps_neighbours_together():
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    blocks = ops.convert_to_numpy(SpaceToDepth(2)(x))
    assert blocks[0, 0, 0].tolist() == [0, 1, 4, 5]
    assert blocks[0, 1, 1].tolist() == [10, 11, 14, 15]


@examples(30)
@given(group=st.integers(1, 4), groups=st.integers(1, 3), seed=st.integers(0, 2**16))
def test_group_sort_sorts_and_does_not_expand(group, groups, seed):
    x = np.random.default_rng(seed).normal(size=(2, 3, group * groups)).astype("float32")
    y = ops.convert_to_numpy(GroupSort(group)(x))
    expected = np.sort(x.reshape(2, 3, groups, group), axis=-1).reshape(x.shape)
    assert np.array_equal(y, expected)
    assert np.linalg.norm(y[0] - y[1]) <= np.linalg.norm(x[0] - x[1]) * (1 + 1e-6)


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh", "sigmoid"])
def test_fused_activation_counts_with_its_steepest_slope(activation):
    layer = SpectralDense(1, activation=activation, use_bias=False)
    layer.build((None, 1))
    z = np.linspace(-6, 6, 20001, dtype="float64")[:, None]
    y = ops.convert_to_numpy(getattr(keras.activations, activation)(z))
    steepest = np.abs(np.diff(y[:, 0]) / np.diff(z[:, 0])).max()
    bound = layer.lipschitz_bound((None, 1)).value
    assert steepest * 0.999 <= bound <= steepest * 1.001


def test_head_columns_stay_normalised_in_training():
    head = UnitNormDense(3)
    model = keras.Sequential([keras.Input((5,)), head])
    compile_fast(model, keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(True))
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(64, 5)), rng.integers(0, 3, 64), epochs=2, verbose=0)
    assert np.allclose(np.linalg.norm(head.get_weights()[0], axis=0), 1.0, atol=1e-5)
    exact = np.linalg.norm(head.get_weights()[0].astype("float64"), 2)
    assert exact <= head.lipschitz_bound((None, 5)).value <= exact * (1 + 1e-9)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Lift(2), (None, 4, 3), "at most 2 channels.*Received"),
        (Project(4), (None, 4, 3), "at least 4 channels.*Received"),
        (SpaceToDepth(2), (None, 5, 4, 1), "divisible by the block size.*Received"),
        (DepthToSpace(2), (None, 4, 4, 6), "divisible by the block.*Received"),
        (ScaledAveragePooling2D(3), (None, 4, 4, 1), "divisible by it.*Received"),
        (GroupSort(2), (None, 3), "divisible by group_size=2.*Received"),
        (SpectralConv2D(2, 5, padding="valid"), (None, 4, 4, 1), "must not exceed.*Received"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.build(shape)


@pytest.mark.parametrize("make", [Lift, Project, SpaceToDepth, GroupSort, SpectralDense])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_sizes_must_be_positive_integers(make, value):
    with pytest.raises(ValueError, match=r"must be a positive integer\. Received"):
        make(value)


@pytest.mark.parametrize(
    "value", [0, (3,), (3, 3, 3), (3, 1.5), True, "33", b"ab", {3: 1, 2: 1}, [3, None]]
)
def test_sizes_along_two_axes_are_one_integer_or_two(value):
    message = "must be a positive integer or 2 of them. Received: "
    for name in ("kernel_size", "strides"):
        with pytest.raises(ValueError, match=f"{name} {message}{name}="):
            SpectralConv2D(2, **{"kernel_size": 3, name: value})
    with pytest.raises(ValueError, match=f"input_size {message}"):
        conv_norm_bound(np.ones((3, 3, 1, 1)), value)
    assert SpectralConv2D(2, np.array([3, 1])).kernel_size == (3, 1)


@pytest.mark.parametrize("layer", [GroupSort(2), Lift(6), Project(2)])
def test_channels_are_fixed_once_built(layer):
    layer(np.zeros((3, 4), "float32"))
    with pytest.raises(ValueError, match="axis -1"):
        layer(np.zeros((3, 5), "float32"))


def test_one_convolution_on_two_sizes_has_two_bounds():
    layer = SpectralConv1D(1, 3, strides=2, use_bias=False)
    layer.build((None, 5, 1))
    randomise(layer, seed=3)
    for size in (4, 5, 8, 9):
        exact = np.linalg.norm(linear_operator(layer, (size, 1)).astype("float64"), 2)
        assert exact <= layer.lipschitz_bound((None, size, 1)).value * (1 + 1e-6)


@pytest.mark.parametrize("activation", ["elu", "softplus", "gelu", "sigmoid"])
def test_rounding_of_fused_activations(activation):
    single = SpectralDense(5, activation=activation)
    double = SpectralDense(5, activation=activation, dtype="float64")
    rng = np.random.default_rng(0)
    for layer in (single, double):
        layer.build((None, 4))
    randomise(single, seed=2)
    single.bias.assign(1e-7 * rng.normal(size=5))
    double.set_weights([w.astype("float64") for w in single.get_weights()])
    bound = single.lipschitz_bound((None, 4))
    for size in (1e-9, 1e-6, 1e-3, 1.0, 1e3):
        x = (rng.normal(size=(40, 4)) * size).astype("float32")
        exact = ops.convert_to_numpy(double(x.astype("float64")))
        error = np.linalg.norm(ops.convert_to_numpy(single(x)) - exact, axis=1)
        claim = bound.rounding_slope * np.linalg.norm(x, axis=1) + bound.rounding_offset
        assert np.all(error <= claim)


def test_an_unknown_length_has_a_bound_and_no_finite_offset():
    layer = SpectralDense(5)
    layer.build((None, None, 4))
    layer.bias.assign(np.ones(5))
    bound = layer.lipschitz_bound((None, None, 4))
    assert bound.value <= 1.0
    assert bound.offset == np.inf
