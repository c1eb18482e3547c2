"""Functions of one number."""

import keras
import numpy as np
from keras import ops

from lipzoo.importing.call import Call, Operator

_SELU = (1.6732632, 1.0507010)


def _named(name, nonnegative=False):
    """An activation that Keras has by name."""

    def convert(call: Call):
        tensor = call.tensor()
        made = call.layer(keras.layers.Activation, tensor.keras, activation=name)
        return tensor.with_keras(made, nonnegative)

    return convert


def _relu(call: Call):
    tensor = call.tensor()
    return tensor.with_keras(call.layer(keras.layers.ReLU, tensor.keras), nonnegative=True)


def _leaky_relu(call: Call):
    tensor = call.tensor()
    slope = call.attribute("alpha", 0.01)
    made = call.layer(keras.layers.LeakyReLU, tensor.keras, negative_slope=slope)
    return tensor.with_keras(made)


def _elu(call: Call):
    tensor = call.tensor()
    alpha = call.attribute("alpha", 1.0)
    return tensor.with_keras(call.layer(keras.layers.ELU, tensor.keras, alpha=alpha))


def _prelu(call: Call):
    """Slopes below 0 that Keras shares along the axes where the constant has one."""
    tensor = call.tensor()
    slope = call.floats(1, "the slope")
    if slope.ndim > tensor.rank or (slope.ndim == tensor.rank and slope.shape[0] != 1):
        call.refuse("slopes that are the same for every example", f"shape {slope.shape}")
    slope = slope.reshape((1,) * (tensor.rank - slope.ndim) + slope.shape)
    slope = slope.transpose(tensor.order)[0]
    shared = [axis for axis in range(1, tensor.rank) if slope.shape[axis - 1] == 1]
    made = call.layer(keras.layers.PReLU, tensor.keras, weights=[slope], shared_axes=shared or None)
    return tensor.with_keras(made)


def _gelu(call: Call):
    if call.attribute("approximate", "none") != "none":
        call.refuse("approximate='none'", f"approximate={call.attribute('approximate')!r}")
    return _named("gelu")(call)


def _selu(call: Call):
    """Keras has the two numbers of the paper (arXiv 1706.02515)."""
    alpha, gamma = call.attribute("alpha", _SELU[0]), call.attribute("gamma", _SELU[1])
    if not np.allclose((alpha, gamma), _SELU, rtol=1e-6):
        call.refuse(f"alpha and gamma of {_SELU}", (alpha, gamma))
    return _named("selu")(call)


def _celu(call: Call):
    if call.attribute("alpha", 1.0) != 1:
        call.refuse("alpha=1", call.attribute("alpha"))
    return _named("celu")(call)


def _clip(call: Call):
    low, high = (_limit(call, name, i) for i, name in ((1, "min"), (2, "max")))
    tensor = call.tensor()
    source, nonnegative = tensor.keras, low is not None and low >= 0
    if low is None and high is None:
        return tensor
    if low == 0 and high is None:
        return _relu(call)
    if low is None:
        return tensor.with_keras(ops.minimum(source, high))
    if high is None:
        return tensor.with_keras(ops.maximum(source, low), nonnegative)
    if low > high:
        call.refuse("min of at most max", f"min={low}, max={high}")
    return tensor.with_keras(ops.clip(source, low, high), nonnegative)


def _limit(call: Call, name, position):
    """A limit: an attribute in older files, an input in newer ones; `None` for none."""
    found = call.attribute(name)
    if found is None and call.optional_constant(position, name) is not None:
        array = call.floats(position, name)
        if array.size != 1:
            call.refuse(f"one number as {name}", f"shape {array.shape}")
        found = array.reshape(())
    # Files write "no limit" as the largest number of the type, too.
    if found is None or abs(found) >= np.finfo("float32").max:
        return None
    return float(found)


def _hard_sigmoid(call: Call):
    """`max(0, min(1, alpha x + beta))`."""
    tensor = call.tensor()
    alpha, beta = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    line = ops.add(ops.multiply(tensor.keras, alpha), beta)
    return tensor.with_keras(ops.clip(line, 0.0, 1.0), nonnegative=True)


def _softmax(call: Call):
    tensor = call.tensor()
    axis = call.axis(call.attribute("axis", -1 if call.graph.opset >= 13 else 1), tensor.rank)
    if call.graph.opset < 13 and axis != tensor.rank - 1:
        call.refuse("an axis that is the last, before opset 13", f"axis {axis} of {tensor.rank}")
    place = tensor.order.index(axis)
    made = call.layer(keras.layers.Softmax, tensor.keras, axis=place)
    return tensor.with_keras(made, nonnegative=True)


OPERATORS = {
    "Relu": Operator(_relu, "all"),
    "LeakyRelu": Operator(_leaky_relu, "alpha of at least 0"),
    "PRelu": Operator(_prelu, "constant slopes"),
    "Elu": Operator(_elu, "all"),
    "Selu": Operator(_selu, "with the usual numbers"),
    "Celu": Operator(_celu, "alpha of 1"),
    "HardSwish": Operator(_named("hard_silu"), "all"),
    "Mish": Operator(_named("mish"), "all"),
    "Sigmoid": Operator(_named("sigmoid", nonnegative=True), "all"),
    "HardSigmoid": Operator(_hard_sigmoid, "all"),
    "Tanh": Operator(_named("tanh"), "all"),
    "Softplus": Operator(_named("softplus", nonnegative=True), "all"),
    "Softsign": Operator(_named("softsign"), "all"),
    "Gelu": Operator(_gelu, "the exact one; also where it is written out by `Erf`"),
    "Clip": Operator(_clip, "constant limits"),
    "Softmax": Operator(
        _softmax, "for a bound; a certificate wants logits, before opset 13 the last axis only"
    ),
}
