"""Rules for the `keras.ops` that a functional model records: `x + y`, `keras.ops.reshape(x)`, ...

Every rule has to make sure that the operation keeps the examples of a batch apart: a bound for one
example means nothing where examples mix.
"""

import math

import keras
import numpy as np

from lipzoo.bounds.calls import Call
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.rules._numbers import (
    as_float64,
    constant_dtype,
    count,
    largest,
    norm_up,
)
from lipzoo.bounds.rules.activation import scalar_bound
from lipzoo.layer_bound import LayerBound
from lipzoo.rounding import div_up, gamma, mul_up, sqrt_up, unit_roundoff


def _constant_norm(call):
    """Norm of the constant operand, copied to the shape of the result."""
    constant, sizes = call.constant(), call.output_shape[1:]
    if any(size is None for size in sizes):
        return 0.0 if largest(constant) == 0.0 else math.inf
    return norm_up(np.broadcast_to(constant, np.broadcast_shapes(constant.shape, (1, *sizes))))


def _shifted(call):
    # The constant is rounded to the type, then added.
    unit, value, offset = gamma(2, constant_dtype(call.dtype)), call.copies(), _constant_norm(call)
    return LayerBound(value, "shift", offset, mul_up(unit, value), mul_up(unit, offset))


def _scaled(call, factors):
    value = mul_up(largest(factors), call.copies())
    return LayerBound(
        value, "largest factor", 0.0, mul_up(gamma(4, constant_dtype(call.dtype)), value), 0.0
    )


def _multiplied(call):
    return _scaled(call, call.constant())


def _divided(call):
    if not isinstance(call.arguments[0], keras.KerasTensor):
        raise UncertifiedLayerError(call.operation, "Division by a tensor has no bound.")
    divisor = call.constant() * (1 - 2.0**-23)
    if not np.all(divisor > 0):
        raise UncertifiedLayerError(call.operation, "It divides by zero.")
    return _scaled(call, np.float64(div_up(1.0, float(divisor.min()))))


def _compared(call):
    # The comparison with a constant is exact once the constant is rounded to the type.
    value, offset = call.copies(), _constant_norm(call)
    unit = unit_roundoff(constant_dtype(call.dtype))
    return LayerBound(value, "comparison", offset, 0.0, mul_up(unit, offset))


def _clipped(call):
    limits = [as_float64(call.operation.x_min), as_float64(call.operation.x_max)]
    size = count(call.output_shape)
    if any(limit.ndim for limit in limits):
        raise UncertifiedLayerError(call.operation, "It clips to arrays; numbers are understood.")
    low, high = map(float, limits)
    at_zero = abs(min(max(0.0, low), high))
    offset = 0.0 if at_zero == 0.0 else math.inf if size is None else at_zero * sqrt_up(float(size))
    # The limits are rounded to the type; a limit moves an entry by no more than it is rounded.
    unit = unit_roundoff(constant_dtype(call.dtype))
    rounded = mul_up(
        unit, max(abs(low), abs(high)), math.inf if size is None else sqrt_up(float(size))
    )
    return LayerBound(1.0, "clipping", offset * (1 + 2.0**-50), 0.0, rounded)


def _exact(reason):
    return lambda call: LayerBound.exact(1.0, reason)


def _rearranged(call):
    if call.input_shape[0] != call.output_shape[0]:
        raise UncertifiedLayerError(call.operation, "It changes the batch axis.")
    if count(call.input_shape) != count(call.output_shape):
        raise UncertifiedLayerError(call.operation, "It mixes the examples of a batch.")
    if len(call.input_shape) > 1 and count(call.input_shape) is None:
        # With an unknown size, equal numbers of entries per example cannot be checked.
        unknown = [shape[1:].count(None) for shape in (call.input_shape, call.output_shape)]
        known = [
            math.prod(size for size in shape[1:] if size is not None)
            for shape in (call.input_shape, call.output_shape)
        ]
        if unknown[0] != unknown[1] or known[0] != known[1]:
            raise UncertifiedLayerError(call.operation, "It reshapes unknown sizes.")
    return LayerBound.exact(1.0, "moves entries")


def _transposed(call):
    axes = call.operation.axes
    if axes is None or axes[0] % len(call.input_shape) != 0:
        raise UncertifiedLayerError(call.operation, "It moves the batch axis.")
    return LayerBound.exact(1.0, "moves entries")


def _swapped(call):
    call.refuse_batch_axis([call.operation.axis1, call.operation.axis2])
    return LayerBound.exact(1.0, "moves entries")


def _moved(call):
    call.refuse_batch_axis([*call.operation.source, *call.operation.destination])
    return LayerBound.exact(1.0, "moves entries")


def _along_axis(reason):
    def rule(call):
        call.refuse_batch_axis(call.operation.axis)
        return LayerBound.exact(1.0, reason)

    return rule


def _extremum(reason):
    def rule(call):
        call.refuse_batch_axis(call.operation.axis)
        if call.operation.initial is not None:
            raise UncertifiedLayerError(call.operation, "An `initial` value is not understood.")
        return LayerBound.exact(1.0, reason)

    return rule


def _padded(call):
    widths = call.operation.pad_width
    constants = [a for a in call.arguments if not isinstance(a, keras.KerasTensor)]
    zeros = all(value is None or np.all(np.asarray(value) == 0) for value in constants)
    if call.operation.mode != "constant" or not zeros:
        raise UncertifiedLayerError(call.operation, "Only padding by zeros is understood.")
    if len(widths) != len(call.input_shape) or any(widths[0]):
        raise UncertifiedLayerError(call.operation, "It pads the batch axis.")
    return LayerBound.exact(1.0, "appends zeros")


def _indexed(call):
    keys = [a for a in call.arguments if not isinstance(a, keras.KerasTensor)]
    key = keys[0] if len(keys) == 1 else None
    key = tuple(key) if isinstance(key, list | tuple) else (key,)
    basic = all(k is Ellipsis or k is None or isinstance(k, int | slice) for k in key)
    if not basic or any(isinstance(k, bool) for k in key):
        raise UncertifiedLayerError(call.operation, "Only integers and slices are understood.")
    named = sum(isinstance(k, int | slice) for k in key)
    leading = key[0] is Ellipsis and named < len(call.input_shape)
    if not leading and key[0] != slice(None):
        raise UncertifiedLayerError(call.operation, "It picks examples out of the batch.")
    return LayerBound.exact(1.0, "picks entries")


def _reduced(call, name: str):
    axes = call.operation.axis
    call.refuse_batch_axis(axes)
    sizes = [call.input_shape[axis] for axis in axes]
    if any(size is None for size in sizes):
        if name == "sum":
            raise UncertifiedLayerError(call.operation, "It sums an unknown number of entries.")
        return LayerBound(1.0, "mean of any number of entries")
    cells = math.prod(sizes)
    root = sqrt_up(float(cells))
    value = root if name == "sum" else sqrt_up(div_up(1.0, float(cells)))
    rounding = mul_up(gamma(cells + 2, call.dtype), value)
    return LayerBound(value, f"{name} of {cells} entries", 0.0, rounding, 0.0)


def _softmax(call):
    call.refuse_batch_axis(call.operation.axis)
    size = count(call.output_shape)
    offset = math.inf if size is None else sqrt_up(float(size))
    return LayerBound(0.5, "softmax: row sums 2p(1-p)", offset)


def _activation(name, **required):
    def rule(call):
        for argument, value in required.items():
            if getattr(call.operation, argument) != value:
                raise UncertifiedLayerError(
                    call.operation, f"Only {argument}={value} is understood."
                )
        return scalar_bound(name, call.input_shape, call.dtype)

    return rule


OPERATION_RULES = {
    "Add": _shifted,
    "Subtract": _shifted,
    "Multiply": _multiplied,
    "Divide": _divided,
    "TrueDivide": _divided,
    "Maximum": _compared,
    "Minimum": _compared,
    "Clip": _clipped,
    "Negative": _exact("change of sign"),
    "Absolute": _exact("absolute value"),
    "Abs": _exact("absolute value"),
    "StopGradient": _exact("identity"),
    "Reshape": _rearranged,
    "Squeeze": _rearranged,
    "ExpandDims": _rearranged,
    "Transpose": _transposed,
    "Swapaxes": _swapped,
    "Moveaxis": _moved,
    "Flip": _along_axis("moves entries"),
    "Roll": _along_axis("moves entries"),
    "Sort": _along_axis("sorting"),
    "Split": _along_axis("picks entries"),
    "Max": _extremum("maximum over disjoint sets"),
    "Amax": _along_axis("maximum over disjoint sets"),
    "Min": _extremum("minimum over disjoint sets"),
    "Amin": _along_axis("minimum over disjoint sets"),
    "Pad": _padded,
    "GetItem": _indexed,
    "Mean": lambda call: _reduced(call, "mean"),
    "Sum": lambda call: _reduced(call, "sum"),
    "Softmax": _softmax,
    "Relu": _activation("relu"),
    "Relu6": _activation("relu6"),
    "LeakyRelu": _activation("leaky_relu", negative_slope=0.2),
    "Tanh": _activation("tanh"),
    "HardTanh": _activation("hard_tanh"),
    "Sigmoid": _activation("sigmoid"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "Silu": _activation("silu"),
    "Gelu": _activation("gelu", approximate=False),
    "Elu": _activation("elu", alpha=1.0),
}


def operation_bound(call: Call) -> LayerBound:
    """Bound of an operation on one tensor.

    Raises:
        UncertifiedLayerError: for an operation without a rule.
    """
    rule = OPERATION_RULES.get(type(call.operation).__name__)
    if rule is None:
        raise UncertifiedLayerError(call.operation, "There is no rule for this operation.")
    return rule(call)
