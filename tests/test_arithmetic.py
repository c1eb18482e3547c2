"""What certificates assume of the backend's arithmetic, on the backend at hand."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lipzoo
from lipzoo import activations
from lipzoo.rounding import ORDERS

STATISTICS = {
    "normalization": layers.BatchNormalization,
    "pooling": layers.GlobalAveragePooling1D,
    "mean": lambda dtype: lambda x: ops.mean(x, axis=1),
}


@pytest.mark.parametrize("kind", STATISTICS)
def test_float64_is_kept_or_refused_by_name(kind):
    inputs = keras.Input((4, 3), dtype="float64")
    layer = STATISTICS[kind](dtype="float64")
    outputs = layer(inputs)
    model = keras.Model(inputs, layers.Dense(2, dtype="float64")(layers.Flatten()(outputs)))
    # Two inputs that are one in float32.
    x = np.ones((2, 4, 3))
    x[1] += 2.0**-30
    computed = ops.convert_to_numpy(layer(ops.convert_to_tensor(x, dtype="float64")))
    if (computed[0] != computed[1]).all() and keras.backend.backend() != "torch":
        assert lipzoo.certify(model, x, verbose=0).rounding
    else:
        with pytest.raises(ValueError, match=r"Received: layer .* of dtype float64"):
            lipzoo.certify(model, x, verbose=0)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "silu", "softsign"])
def test_elementary_functions_err_by_no_more_than_is_claimed(name):
    exact = {
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "softplus": lambda z: np.logaddexp(z, 0.0),
        "silu": lambda z: z / (1 + np.exp(-z)),
        "softsign": lambda z: z / (1 + np.abs(z)),
    }[name]
    activation = activations.get(name)
    # Every 64th float from 2^-20 to 32, of both signs.
    bits = np.arange(*np.array([2.0**-20, 32.0], "float32").view("int32"), 64, dtype="int32")
    z = bits.view("float32")
    z = np.concatenate([-z, z])
    computed = ops.convert_to_numpy(activation(ops.convert_to_tensor(z))).astype("float64")
    slope, offset = activation.rounding(2.0**-24)
    z = z.astype("float64")
    assert (np.abs(computed - exact(z)) <= slope * np.abs(z) + offset).all()


@pytest.mark.parametrize("shape", [(25, 64, 17), (49, 128, 33), (100, 300, 130), (7, 896, 224)])
def test_outputs_have_no_more_orders_of_summation_than_is_assumed(shape):
    rows, n, m = shape
    generator = np.random.default_rng(0)
    for _ in range(4):
        x = np.repeat(generator.standard_normal((1, n)).astype("float32"), rows, axis=0)
        kernel = np.repeat(generator.standard_normal((n, 1)).astype("float32"), m, axis=1)
        product = ops.matmul(ops.convert_to_tensor(x), ops.convert_to_tensor(kernel))
        assert 1 <= len(np.unique(ops.convert_to_numpy(product))) <= ORDERS
