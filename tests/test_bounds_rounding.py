"""What float32 makes of a network, compared with the same network in float64."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.ops import convert_to_numpy

from lipzoo.bounds import lipschitz_bound
from lipzoo.certificates import certify
from lipzoo.constraints import SpectralBound
from lipzoo.layers import (
    GradientFlowConv2D,
    GradientFlowDense,
    Lift,
    SpaceToDepth,
    SpectralConv2D,
    SpectralDense,
    UnitNormDense,
)
from tests.truths import randomise_freely

layers = keras.layers


def keras_layers(x):
    x = layers.Rescaling(1 / 3, offset=-0.1)(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="tanh")(x)
    x = layers.Average()([layers.LeakyReLU()(x), y, -x])
    x = layers.AveragePooling2D(2, padding="same")(x)
    x = layers.SeparableConv2D(5, 2, activation="softplus")(x)
    x = layers.Conv2DTranspose(3, 2, strides=2, activation="elu")(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    return layers.Dense(3)(layers.Dense(20, activation="silu")(x))


def operations(x):
    x = 0.3 * x - 0.7
    x = ops.tanh(ops.mean(x, axis=-1)) + ops.sum(x, axis=-1) / 7.0
    x = ops.clip(ops.reshape(x, (-1, 36)), -0.3, 0.7)
    return layers.Dense(5, activation="gelu")(ops.maximum(x, 0.1))


def lipzoo_layers(x):
    x = Lift(8)(SpaceToDepth(2)(x)) if x.shape[-1] * 4 <= 8 else SpaceToDepth(2)(x)
    x = GradientFlowConv2D(6, 2, strides=1, padding="circular", activation="tanh")(x)
    x = SpectralConv2D(6, 3, activation="relu")(x)
    x = GradientFlowDense(12, activation="relu")(layers.Flatten()(x))
    return UnitNormDense(4)(SpectralDense(10, activation="softplus")(x))


def both_precisions(make):
    """The same network in float32 and in float64, with the float32 weights."""
    models = []
    for dtype in ("float32", "float64"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        inputs = keras.Input((6, 6, 3))
        models.append(keras.Model(inputs, make(inputs)))
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    single, double = models
    if make is not lipzoo_layers:
        randomise_freely(single, scale=0.3)
    for variable in single.weights:
        if variable.path.endswith("bias"):
            variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    double.set_weights(single.get_weights())
    return single, double


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("make", [keras_layers, operations, lipzoo_layers])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_rounding_error_stays_below_the_claim(make, size):
    single, double = both_precisions(make)
    bound = lipschitz_bound(single).output.bound
    assert lipschitz_bound(double).value == pytest.approx(bound.value, rel=1e-6)
    x = size * np.random.default_rng(0).normal(size=(64, 6, 6, 3))
    exact = convert_to_numpy(double(x))
    error = np.linalg.norm(convert_to_numpy(single(x.astype("float32"))) - exact, axis=1)
    norms = np.linalg.norm(x.reshape(64, -1), axis=1)
    claim = bound.rounding_slope * norms + bound.rounding_offset
    assert np.all(error <= claim)
    assert error.max() > 0
    double_bound = lipschitz_bound(double).output.bound
    if make is lipzoo_layers:
        assert double_bound.rounding_offset < 1e-6 * bound.rounding_offset


def test_half_precision_is_covered_for_short_sums_and_vacuous_for_long_ones():
    policy = keras.mixed_precision.DTypePolicy("mixed_float16")
    inputs = keras.Input((8,))
    hidden = layers.Dense(8, activation="relu", dtype=policy)(inputs)
    half = keras.Model(inputs, layers.Dense(3, dtype=policy)(hidden))
    inputs = keras.Input((8,), dtype="float64")
    hidden = layers.Dense(8, activation="relu", dtype="float64")(inputs)
    double = keras.Model(inputs, layers.Dense(3, dtype="float64")(hidden))
    double.set_weights(half.get_weights())
    x = np.random.default_rng(0).normal(size=(100, 8))
    error = np.linalg.norm(
        convert_to_numpy(half(x)).astype("float64") - convert_to_numpy(double(x)),
        axis=1,
    )
    bound = lipschitz_bound(half).output.bound
    assert np.all(error <= bound.rounding_slope * np.linalg.norm(x, axis=1) + bound.rounding_offset)
    long = keras.Sequential([keras.Input((2048,)), layers.Dense(2, dtype=policy)])
    assert lipschitz_bound(long).output.bound.rounding_slope == np.inf


@pytest.mark.parametrize(("dtype", "size"), [("mixed_bfloat16", 512), ("mixed_float16", 4096)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_sums_too_long_for_the_arithmetic_have_a_bound_and_certify_nothing(dtype, size, activation):
    keras.config.set_dtype_policy(dtype)
    rows = SpectralBound(method="rows")
    inputs = keras.Input((size,))
    x = SpectralDense(4, activation=activation, kernel_constraint=rows)(inputs)
    x = GradientFlowDense(size, activation=activation, kernel_constraint=rows)(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    bound = lipschitz_bound(model)
    assert np.isfinite(bound.value)
    assert bound.output.bound.rounding_slope == np.inf
    with pytest.warns(UserWarning, match=r"No radius .* is above 0"):
        certificate = certify(model, np.ones((2, size)), verbose=0)
    assert np.array_equal(certificate.radius, np.zeros(2))


def test_layers_that_move_entries_add_no_rounding():
    inputs = keras.Input((4, 4, 2))
    x = layers.Flatten()(layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(inputs)))
    bound = lipschitz_bound(keras.Model(inputs, layers.ReLU()(x))).output.bound
    # The cast of the input to float32 is all there is.
    assert bound.rounding_slope == 2.0**-24
    assert bound.rounding_offset == 0.0


def test_unknown_rounding_errors_are_named():
    inputs = keras.Input((4,))
    x = layers.Dense(4, activation="softmax", name="attention")(inputs)
    model = keras.Model(inputs, layers.Add()([x, layers.Softmax(name="weights")(x)]))
    output = lipschitz_bound(model).output
    assert output.bound.rounding_slope is None
    assert output.unknown == ("attention", "weights")


WITH_CONSTANT = {
    "shift": lambda x, c: x + c,
    "scale": lambda x, c: c * x,
    "quotient": lambda x, c: x / c,
    "comparison": ops.maximum,
    "clip": lambda x, c: ops.clip(x, -c, c),
    "Rescaling": lambda x, c: layers.Rescaling(c, offset=c, dtype="float64")(x),
    "ReLU": lambda x, c: layers.ReLU(max_value=c, dtype="float64")(x),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", WITH_CONSTANT)
def test_in_float64_a_constant_loses_something_unless_it_is_one_of_float32(name):
    def rounding(constant):
        inputs = keras.Input((3,), dtype="float64")
        model = keras.Model(inputs, WITH_CONSTANT[name](inputs, constant))
        (layer,) = lipschitz_bound(model).layers
        return sum(layer.bound.rounding)

    # 0.3 is less than the float32 number beside it, 0.1 is more.
    assert rounding(0.3) > 1e-9
    assert rounding(0.1) > 1e-9
    assert rounding(0.25) < 1e-13
