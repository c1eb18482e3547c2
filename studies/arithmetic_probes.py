"""What the backend at hand computes, of all that proofs about rounding assume.

Each probe looks at results that are known exactly, or to many more digits, on inputs on which
another arithmetic would show. Functions are run as Keras runs them, by themselves and compiled in a
model.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from lipzoo import activations
from lipzoo.float64 import tells_float64_apart

UNIT = 2.0**-24
# Units roundoff, relative, that bounds allow the functions inside rules and layers; GELU has erf.
ELEMENTARY_UNITS = {"exp": 6.0, "erf": 10.0, "sqrt": 6.0, "rsqrt": 6.0, "reciprocal": 6.0}

_erf, _erfc = np.vectorize(math.erf, otypes="d"), np.vectorize(math.erfc, otypes="d")
EXACT = {
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.logaddexp(z, 0.0),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "gelu": lambda z: z * _erfc(-z / math.sqrt(2.0)) / 2,
    "softsign": lambda z: z / (1 + np.abs(z)),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0.0))),
    # Without the difference that cancels at negative z.
    "squareplus": lambda z: np.where(
        z > 0, (z + np.sqrt(z * z + 4)) / 2, 2 / (np.sqrt(z * z + 4) + np.abs(z))
    ),
    "leaky_relu": lambda z: np.where(z > 0, z, activations.LEAKY_SLOPE * z),
}
ELEMENTARY = {
    "exp": (ops.exp, np.exp),
    "erf": (ops.erf, _erf),
    "sqrt": (lambda z: ops.sqrt(ops.abs(z)), lambda z: np.sqrt(np.abs(z))),
    "rsqrt": (lambda z: ops.rsqrt(ops.abs(z)), lambda z: 1 / np.sqrt(np.abs(z))),
    "reciprocal": (ops.reciprocal, lambda z: 1 / z),
}


def floats(step: int) -> np.ndarray:
    """Every `step`-th float32 from 2^-20 to 32, of both signs."""
    bits = np.arange(*np.array([2.0**-20, 32.0], "float32").view("int32"), step, dtype="int32")
    positive = bits.view("float32")
    return np.concatenate([-positive, positive])


def compiled(function, x: np.ndarray) -> np.ndarray:
    """What `predict` returns of a function, as NumPy float64."""
    inputs = keras.Input(x.shape[1:], dtype=x.dtype.name)
    layer = layers.Lambda(function, output_shape=lambda shape: shape, dtype=x.dtype.name)
    return keras.Model(inputs, layer(inputs)).predict_on_batch(x).astype("float64")


def eager(function, x: np.ndarray) -> np.ndarray:
    """What a function returns when it is called, as NumPy float64."""
    computed = function(ops.convert_to_tensor(x))
    return ops.convert_to_numpy(ops.cast(computed, "float32")).astype("float64")


def share_of_claim(name: str, step: int = 64) -> float:
    """The largest error of an activation in float32, as a share of what its bound allows."""
    activation, z = activations.get(name), floats(step)
    slope, offset = activation.rounding(UNIT)
    wide = z.astype("float64")
    allowed = slope * np.abs(wide) + offset
    return max(
        float((np.abs(run(activation, z[None])[0] - EXACT[name](wide)) / allowed).max())
        for run in (eager, compiled)
    )


def units_of_elementary(name: str, step: int = 64) -> float:
    """The largest relative error of an elementary function in float32, in units roundoff."""
    function, exact = ELEMENTARY[name]
    z = floats(step)
    known = exact(z.astype("float64"))
    return max(
        float((np.abs(run(function, z[None])[0] - known) / np.abs(known)).max() / UNIT)
        for run in (eager, compiled)
    )


# Rows, summands and outputs of products; kernel size, channels and filters of convolutions.
PRODUCTS = [(25, 64, 17), (49, 128, 33), (100, 300, 130), (7, 896, 224), (1, 64, 17)]
CONVOLUTIONS = [(3, 16, 17), (5, 3, 8)]


def equal_product(shape, random) -> np.ndarray:
    """A product of equal rows and equal columns: all entries are one sum in exact arithmetic."""
    rows, summands, outputs = shape
    x = np.repeat(random.standard_normal((1, summands)).astype("float32"), rows, axis=0)
    kernel = np.repeat(random.standard_normal((summands, 1)).astype("float32"), outputs, axis=1)
    product = ops.matmul(ops.convert_to_tensor(x), ops.convert_to_tensor(kernel))
    return ops.convert_to_numpy(product)


def equal_convolution(shape, random) -> np.ndarray:
    """A convolution whose positions, filters and examples all have one sum."""
    size, channels, filters = shape
    pixel = random.standard_normal(channels).astype("float32")
    kernel = random.standard_normal((size, size, channels, 1)).astype("float32")
    x = np.broadcast_to(pixel, (2, 13, 13, channels))
    kernel = np.repeat(kernel, filters, axis=3)
    outputs = ops.conv(
        ops.convert_to_tensor(np.ascontiguousarray(x)),
        ops.convert_to_tensor(kernel),
        padding="valid",
        data_format="channels_last",
    )
    return ops.convert_to_numpy(outputs)


def orders_of_summation(tries: int = 4) -> int:
    """The largest number of different results of one sum among the outputs of one layer."""
    random = np.random.default_rng(0)
    return max(
        len(np.unique(probe(shape, random)))
        for probe, shapes in ((equal_product, PRODUCTS), (equal_convolution, CONVOLUTIONS))
        for shape in shapes
        for _ in range(tries)
    )


def what_a_sum_depends_on(tries: int = 4) -> list[str]:
    """Of a row of a product: whether its batch, its place in it, or the column matters."""
    random = np.random.default_rng(0)
    found = set()
    for rows, summands, outputs in PRODUCTS * tries:
        x = np.repeat(random.standard_normal((1, summands)).astype("float32"), rows, axis=0)
        kernel = np.repeat(random.standard_normal((summands, 1)).astype("float32"), outputs, axis=1)
        alone, together = (
            ops.convert_to_numpy(
                ops.matmul(ops.convert_to_tensor(part), ops.convert_to_tensor(kernel))
            )
            for part in (x[:1], x)
        )
        found |= {"its batch"} if (alone[0] != together[0]).any() else set()
        found |= {"its place in it"} if (together != together[:1]).any() else set()
        found |= {"the column"} if (together != together[:, :1]).any() else set()
    return sorted(found)


def products_round_once() -> bool:
    """Whether single float32 products and sums are those of IEEE 754: no TF32, no bfloat16."""
    random = np.random.default_rng(0)
    x, w = random.standard_normal((2, 256)).astype("float32")
    outer = ops.matmul(ops.convert_to_tensor(x[:, None]), ops.convert_to_tensor(w[None]))
    sums = ops.convert_to_tensor(x) + ops.convert_to_tensor(w)
    same = np.array_equal(ops.convert_to_numpy(outer), x[:, None] * w[None])
    return bool(same and np.array_equal(ops.convert_to_numpy(sums), x + w))


def keeps_denormals() -> bool:
    """Whether a product below the smallest normal float32 is kept, eagerly and compiled."""
    x = np.full((1, 4), 2.0**-120, "float32")
    return all((run(lambda z: z * 2.0**-20, x) == 2.0**-140).all() for run in (eager, compiled))


POOLINGS = {
    "AveragePooling2D": lambda dtype: layers.AveragePooling2D(
        32, dtype=dtype, data_format="channels_last"
    ),
    "GlobalAveragePooling2D": lambda dtype: layers.GlobalAveragePooling2D(
        dtype=dtype, data_format="channels_last"
    ),
}


def sums_wider(kind: str, dtype: str) -> bool:
    """Whether a pooling of half precision adds up in a wider type: 4096 ones average to 1."""
    x = ops.ones((1, 64, 64, 1), dtype=dtype)
    pooled = POOLINGS[kind](dtype)(x[:, :32, :32] if kind == "AveragePooling2D" else x)
    return bool((ops.convert_to_numpy(ops.cast(pooled, "float32")) == 1.0).all())


def _on_image(make, *size):
    return lambda x: make(*size, dtype="float64", data_format="channels_last")(
        ops.broadcast_to(ops.reshape(x, (1, 1, 1, 1)), (1, 2, 2, 1))
    )


def _dense(x):
    return ops.matmul(x, ops.ones((1, 2), dtype="float64"))


def _convolution(x):
    kernel = ops.ones((1, 1, 1, 1), dtype="float64")
    return ops.conv(ops.reshape(x, (1, 1, 1, 1)), kernel, data_format="channels_last")


# Functions of a float64 matrix of one entry.
FLOAT64_FUNCTIONS = {
    "matmul": _dense,
    "conv": _convolution,
    "maximum": lambda x: ops.maximum(x, ops.zeros_like(x)),
    "sum": ops.sum,
    "mean": ops.mean,
    "sqrt": ops.sqrt,
    "BatchNormalization": lambda x: layers.BatchNormalization(dtype="float64")(x),
    "Normalization": lambda x: layers.Normalization(mean=0.0, variance=1.0, dtype="float64")(x),
    "Rescaling": lambda x: layers.Rescaling(0.5, dtype="float64")(x),
    "GlobalAveragePooling2D": _on_image(layers.GlobalAveragePooling2D),
    "AveragePooling2D": _on_image(layers.AveragePooling2D, 2),
    "MaxPooling2D": _on_image(layers.MaxPooling2D, 2),
    **{name: activations.get(name) for name in activations.known()},
}

# The same functions of a float64 tensor of a model, of shape (batch, 2, 2, 1).
FLOAT64_MODELS = {
    "mean": lambda x: ops.mean(x, axis=1),
    "BatchNormalization": lambda x: layers.BatchNormalization(dtype="float64")(x),
    "GlobalAveragePooling2D": lambda x: layers.GlobalAveragePooling2D(
        dtype="float64", data_format="channels_last"
    )(x),
    "AveragePooling2D": lambda x: layers.AveragePooling2D(
        2, dtype="float64", data_format="channels_last"
    )(x),
    "MaxPooling2D": lambda x: layers.MaxPooling2D(2, dtype="float64", data_format="channels_last")(
        x
    ),
    "maximum": lambda x: ops.maximum(x, ops.zeros_like(x)),
    "sum": lambda x: ops.sum(x, axis=1),
}


def keeps(name: str) -> bool:
    """Whether a function tells apart float64 numbers near 1/2 that are one in float32."""
    return tells_float64_apart(lambda x: FLOAT64_FUNCTIONS[name](0.5 * x))
