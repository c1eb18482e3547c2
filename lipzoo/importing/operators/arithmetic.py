"""Sums, and products and quotients with constants."""

import keras
import numpy as np
from keras import ops

from lipzoo.importing.call import Call, Operator
from lipzoo.importing.tensor import Tensor
from lipzoo.keras_internals import made_by


def _with_constant(call: Call, function, neutral: float | None = None):
    """`function(x, c)` or `function(c, x)`; `None` where both are tensors.

    Where c is `neutral` the function is left out, and the rounding that it may have.
    """
    first, second = call.given(0), call.given(1)
    if isinstance(first, Tensor) and isinstance(second, np.ndarray):
        constant = call.fitted(second, first)
        made = function(first.keras, constant)
        if made.shape == first.keras.shape and np.all(constant == neutral):
            return first
        return first.with_keras(made)
    if isinstance(second, Tensor) and isinstance(first, np.ndarray):
        return second.with_keras(function(call.fitted(first, second), second.keras))
    return None


def _merged(kind):
    """Several tensors, merged by a Keras layer, which repeats axes of length 1."""

    def convert(call: Call):
        tensors = [call.tensor(i) for i in range(len(call.inputs))]
        if len({tensor.rank for tensor in tensors}) > 1:
            shapes = [tensor.shape for tensor in tensors]
            call.refuse("tensors of as many axes, or a tensor and a constant", f"shapes {shapes}")
        return _merge(call, kind, tensors)

    return convert


def _merge(call: Call, kind, tensors):
    order = tensors[0].order
    arranged = [call.arranged(tensor, order).keras for tensor in tensors]
    made = arranged[0] if len(arranged) == 1 else call.layer(kind, arranged)
    return tensors[0].with_keras(made)


def _binary(function, kind, neutral: float | None = None):
    merge = _merged(kind)

    def convert(call: Call):
        found = _with_constant(call, function, neutral)
        return merge(call) if found is None else found

    return convert


def _several(function, kind):
    """A sum, maximum or minimum of any number of tensors, or of one and a constant."""
    binary, merge = _binary(function, kind), _merged(kind)
    return lambda call: binary(call) if len(call.inputs) == 2 else merge(call)


def _multiplied(call: Call):
    found = _with_constant(call, ops.multiply, neutral=1.0)
    if found is None:
        for gate, tensor in ((0, 1), (1, 0)):
            if _is_sigmoid_of(call.tensor(gate), call.tensor(tensor)):
                source = call.tensor(tensor)
                made = call.layer(keras.layers.Activation, source.keras, activation="silu")
                return source.with_keras(made)
        call.refuse(
            "a product with a constant",
            "one of two tensors, which no number bounds for all inputs",
        )
    return found


def _is_sigmoid_of(gate, tensor) -> bool:
    """Whether a product of both is SiLU, which has a bound that a product has not."""
    operation, node, _ = made_by(gate.keras)
    return (
        isinstance(operation, keras.layers.Activation)
        and operation.activation is keras.activations.sigmoid
        and node.input_tensors[0] is tensor.keras
        and gate.order == tensor.order
    )


def _divided(call: Call):
    tensor = call.tensor()
    divisor = call.fitted(call.constant(1, "the divisor"), tensor)
    if not np.all(divisor):
        call.refuse("a divisor without zeros", "zero")
    return tensor.with_keras(ops.divide(tensor.keras, divisor))


def _alone(function, nonnegative=False):
    def convert(call: Call):
        tensor = call.tensor()
        return tensor.with_keras(function(tensor.keras), nonnegative)

    return convert


_SEVERAL = "tensors of as many axes, or one and a constant"

OPERATORS = {
    "Add": Operator(
        _binary(ops.add, keras.layers.Add, 0.0), "two tensors of as many axes, or a constant"
    ),
    "Sub": Operator(
        _binary(ops.subtract, keras.layers.Subtract, 0.0),
        "two tensors of as many axes, or a constant",
    ),
    "Mul": Operator(_multiplied, "with a constant; x times its Sigmoid, which is SiLU"),
    "Div": Operator(_divided, "by a constant"),
    "Neg": Operator(_alone(ops.negative), "all"),
    "Abs": Operator(_alone(ops.absolute, nonnegative=True), "all"),
    "Sum": Operator(
        _several(ops.add, keras.layers.Add), "tensors of as many axes, or one and a constant"
    ),
    "Max": Operator(
        _several(ops.maximum, keras.layers.Maximum),
        "tensors of as many axes, or one and a constant",
    ),
    "Min": Operator(
        _several(ops.minimum, keras.layers.Minimum),
        "tensors of as many axes, or one and a constant",
    ),
}
