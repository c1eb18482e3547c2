"""Rules for the `keras.ops` that a functional model records: `x + y`, `keras.ops.reshape(x)`, ...

Every rule has to make sure that the operation keeps the examples of a batch apart: a bound for one
example means nothing where examples mix.
"""

import math

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.origins import is_operation
from lipzoo.bounds.recorded_call import Call
from lipzoo.bounds.rules._numbers import (
    as_float64,
    constant_dtype,
    count,
    largest,
)
from lipzoo.bounds.rules.activation import scalar_bound
from lipzoo.bounds.rules.linear import refuse_narrow_shift
from lipzoo.bounds.rules.merging import merge_kind
from lipzoo.keras_internals import core_operations, nn_operations, numpy_operations
from lipzoo.rounding import div_up, gamma, mul_up, norm_up, sqrt_up, unit_roundoff


def _constant_norm(call):
    """Norm of the constant operand, copied to the shape of the result."""
    constant, sizes = call.constant(), call.output_shape[1:]
    if any(size is None for size in sizes):
        return 0.0 if largest(constant) == 0.0 else math.inf
    return norm_up(np.broadcast_to(constant, np.broadcast_shapes(constant.shape, (1, *sizes))))


def _shifted(call):
    # The constant is rounded to the type, then added.
    unit = gamma(2, constant_dtype(call.dtype, *call.constants()))
    value, offset = call.copies(), _constant_norm(call)
    return LayerBound(value, "shift", offset, mul_up(unit, value), mul_up(unit, offset))


def _added(call):
    refuse_narrow_shift(call.operation, call.constant(), call.output_shape)
    return _shifted(call)


def _scaled(call, factors):
    value = mul_up(largest(factors), call.copies())
    unit = gamma(4, constant_dtype(call.dtype, *call.constants()))
    return LayerBound(value, "largest factor", 0.0, mul_up(unit, value), 0.0)


def _multiplied(call):
    return _scaled(call, call.constant())


def _divided(call):
    if not isinstance(call.arguments["x1"], keras.KerasTensor):
        raise UncertifiedLayerError(call.operation, "Division by a tensor has no bound.")
    divisor = call.constant() * (1 - 2.0**-23)
    if not np.all(divisor > 0):
        raise UncertifiedLayerError(call.operation, "It divides by zero.")
    return _scaled(call, np.float64(div_up(1.0, float(divisor.min()))))


def _compared(call):
    # The comparison with a constant is exact once the constant is rounded to the type.
    value, offset = call.copies(), _constant_norm(call)
    unit = unit_roundoff(constant_dtype(call.dtype, *call.constants()))
    return LayerBound(value, "comparison", offset, 0.0, mul_up(unit, offset))


def _clipped(call):
    low, high = _limits(call.operation)
    size = count(call.output_shape)
    root = math.inf if size is None else sqrt_up(float(size))
    at_zero = abs(min(max(0.0, low), high))
    offset = 0.0 if at_zero == 0.0 else mul_up(at_zero, root)
    # The limits are rounded to the type; a limit moves an entry by no more than it is rounded.
    largest_limit = max(abs(limit) for limit in (low, high, 0.0) if math.isfinite(limit))
    rounded = 0.0
    if largest_limit > 0.0:
        unit = unit_roundoff(constant_dtype(call.dtype, low, high))
        rounded = mul_up(unit, largest_limit, root)
    return LayerBound(1.0, "clipping", offset, 0.0, rounded)


def _limits(operation):
    """Lower and upper limit of a clip; `None` is no limit."""
    one_sided = operation.x_min is None or operation.x_max is None
    if one_sided and keras.backend.backend() == "tensorflow":
        raise UncertifiedLayerError(
            operation,
            "Keras computes no clip with a single limit on TensorFlow: use ops.minimum or "
            "ops.maximum.",
        )
    limits = [
        infinity if limit is None else as_float64(limit)
        for limit, infinity in ((operation.x_min, -math.inf), (operation.x_max, math.inf))
    ]
    if any(np.ndim(limit) for limit in limits):
        raise UncertifiedLayerError(operation, "It clips to arrays; numbers are understood.")
    low, high = map(float, limits)
    if not (low <= high and low < math.inf and high > -math.inf):
        raise UncertifiedLayerError(operation, f"Its limits {low} and {high} leave no interval.")
    return low, high


def _matrix_product(call):
    raise UncertifiedLayerError(
        call.operation,
        "There is no rule for a product with a constant matrix: a Dense layer has one.",
    )


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


def _reshaped(call):
    shape = call.operation.newshape
    if not isinstance(shape, list | tuple) or not shape or shape[0] != -1:
        # Models of a fixed batch size take other ones as well.
        raise UncertifiedLayerError(
            call.operation,
            f"Its new shape {shape} states the number of examples, so that other batches than "
            "these are mixed: begin it with -1.",
        )
    return _rearranged(call)


def _squeezed(call):
    if call.operation.axis is not None:
        call.refuse_batch_axis(call.operation.axis)
    elif call.input_shape[0] is not None:
        raise UncertifiedLayerError(call.operation, "It may drop the batch axis: name the axes.")
    return _rearranged(call)


def _expanded(call):
    call.refuse_batch_axis(call.operation.axis)
    return _rearranged(call)


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
    constants = [value for value in call.constants() if value is not None]
    zeros = all(np.all(as_float64(value) == 0) for value in constants)
    if call.operation.mode != "constant" or not zeros:
        raise UncertifiedLayerError(call.operation, "Only padding by zeros is understood.")
    if len(widths) != len(call.input_shape) or any(widths[0]):
        raise UncertifiedLayerError(call.operation, "It pads the batch axis.")
    return LayerBound.exact(1.0, "appends zeros")


def _indexed(call):
    key = call.arguments["key"]
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


def _gelu(call):
    name = "gelu_approximate" if call.operation.approximate else "gelu"
    return scalar_bound(name, call.input_shape, call.dtype)


_RULES = {
    "Add": _added,
    "Subtract": _shifted,
    "Multiply": _multiplied,
    "Divide": _divided,
    "TrueDivide": _divided,
    "Maximum": _compared,
    "Minimum": _compared,
    "Matmul": _matrix_product,
    "Clip": _clipped,
    "Negative": _exact("change of sign"),
    "Absolute": _exact("absolute value"),
    "Abs": _exact("absolute value"),
    "StopGradient": _exact("identity"),
    "Reshape": _reshaped,
    "Squeeze": _squeezed,
    "ExpandDims": _expanded,
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
    "Gelu": _gelu,
    "Elu": _activation("elu", alpha=1.0),
    "HardSigmoid": _activation("hard_sigmoid"),
    "HardSilu": _activation("hard_silu"),
    "Selu": _activation("selu"),
    "Celu": _activation("celu", alpha=1.0),
    "LogSigmoid": _activation("log_sigmoid"),
    "SoftShrink": _activation("soft_shrink", threshold=0.5),
    "TanhShrink": _activation("tanh_shrink"),
    "SparsePlus": _activation("sparse_plus"),
    "SparseSigmoid": _activation("sparse_sigmoid"),
}


def _classes(name: str) -> list[type]:
    """Keras' operations of this name, in the versions of Keras that have it."""
    modules = (core_operations, nn_operations, numpy_operations)
    found = [vars(module).get(name) for module in modules]
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, keras.Operation)]


OPERATION_RULES = {kind: rule for name, rule in _RULES.items() for kind in _classes(name)}

# Arguments of a call, beside the tensors, that a rule looks at.
_KNOWN_ARGUMENTS = {
    **{
        kind: ("x1", "x2")
        for kind, rule in OPERATION_RULES.items()
        if rule in (_added, _shifted, _multiplied, _divided, _compared, _matrix_product)
    },
    numpy_operations.Pad: ("constant_values",),
    numpy_operations.GetItem: ("key",),
}


def known_arguments(operation) -> tuple[str, ...]:
    """Names of the arguments of `call` that the bound takes into account, whatever their value.

    A layer states them itself, as the attribute `bounded_arguments` of its class.
    """
    if is_operation(operation):
        return _KNOWN_ARGUMENTS.get(type(operation), ())
    return getattr(type(operation), "bounded_arguments", ())


def refuse_unruled(operation) -> None:
    """Refuses an operation that is known neither on one tensor nor on several.

    Raises:
        UncertifiedLayerError: see there.
    """
    if type(operation) not in OPERATION_RULES and merge_kind(operation) is None:
        raise UncertifiedLayerError(operation, "There is no rule for this operation.")


def operation_bound(call: Call) -> LayerBound:
    """Bound of an operation on one tensor.

    Raises:
        UncertifiedLayerError: for an operation without a rule.
    """
    rule = OPERATION_RULES.get(type(call.operation))
    if rule is None:
        raise UncertifiedLayerError(call.operation, "There is no rule for this operation.")
    return rule(call)
