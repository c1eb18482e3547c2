"""Bounds of layers and operations that take several tensors."""

import itertools

import keras

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.overrides import refuse_overridden
from lipzoo.bounds.rule_registry import layer_bound
from lipzoo.bounds.rules._numbers import as_constants, constant_dtype, largest
from lipzoo.bounds.rules.contractions import contracted
from lipzoo.bounds.rules.products import multiplied
from lipzoo.bounds.tensor_bound import TensorBound, broadcast_copies, joined, summed
from lipzoo.keras_internals import CustomScaleLayer, numpy_operations
from lipzoo.rounding import add_up, div_up, gamma, hypot_up, mul_up, sqrt_up

_KINDS = {
    numpy_operations.Add: "add",
    numpy_operations.Subtract: "subtract",
    numpy_operations.Multiply: "multiply",
    numpy_operations.Maximum: "maximum",
    numpy_operations.Minimum: "minimum",
    numpy_operations.Concatenate: "concatenate",
    numpy_operations.Stack: "concatenate",
    CustomScaleLayer: "add scaled",
    keras.layers.Add: "add",
    keras.layers.Subtract: "subtract",
    keras.layers.Multiply: "multiply",
    keras.layers.Average: "average",
    keras.layers.Maximum: "maximum",
    keras.layers.Minimum: "minimum",
    keras.layers.Concatenate: "concatenate",
    numpy_operations.Matmul: "contract",
    keras.layers.Dot: "contract",
}


def merge_kind(operation) -> str | None:
    """`"add"`, `"concatenate"`, ...; `None` for anything that does not merge tensors."""
    return _KINDS.get(type(operation))


def merges_itself(layer) -> bool:
    """Whether a layer's class has the method `bound_from`, see `merge_by_layer`."""
    return callable(getattr(layer, "bound_from", None))


def merge_by_layer(layer, name, tensors, shapes) -> tuple[LayerBound, TensorBound]:
    """The output of a layer that combines the bounds of its inputs better than a joint map does.

    Such a layer has, beside `lipschitz_bound(input_shapes)`, a method
    `bound_from(input_shapes, inputs)` that takes a `LayerBound` of each input, all with respect to
    the same vector, and returns a `LayerBound` of the output with respect to that vector.

    Args:
        layer: the layer.
        name: its name in the table.
        tensors: `TensorBound` of each input.
        shapes: shape of each input.

    Returns:
        The layer's own bound as a joint map, and the bound of its output.
    """
    joint = layer_bound(layer, shapes)
    refuse_overridden(layer, "bound_from")
    bound = layer.bound_from(shapes, [tensor.bound for tensor in tensors])
    gathered = joined(tensors)
    unknown = gathered.unknown
    if bound.rounding_slope is None and not unknown:
        unknown = (name,)
    return joint, TensorBound(bound, gathered.inputs, unknown)


def merge(operation, kind, tensors, shapes, output_shape, dtype) -> tuple[LayerBound, TensorBound]:
    """The merged tensor, and the bound of the merge as a map of all its inputs together.

    Sum: the bounds add up, and as a map of the k inputs together it is sqrt(k)-Lipschitz. Average:
    1/k of that. Concatenation: root of the sum of squares. Maximum and minimum: the same, since
    `|max(a, b) - max(a', b')|^2 <= |a - a'|^2 + |b - b'|^2`. Products: see
    `multiplied` and `contracted`.

    Args:
        operation: the layer or operation.
        kind: see `merge_kind`.
        tensors: `TensorBound` of each input.
        shapes: shape of each input.
        output_shape: shape of the result.
        dtype: type in which the result is computed.
    """
    k = len(tensors)
    if kind == "multiply":
        return multiplied(operation, tensors, shapes, output_shape, dtype)
    if kind == "contract":
        return contracted(operation, tensors, shapes, output_shape, dtype)
    if kind in ("add", "average"):
        _refuse_bias_like(operation, shapes, output_shape)
    if kind == "concatenate":
        if operation.axis % len(output_shape) == 0:
            raise UncertifiedLayerError(operation, "It acts along the batch axis.")
        return LayerBound.exact(1.0, "root of the sum of squares"), joined(tensors)
    tensors = [
        _broadcast(operation, tensor, shape, output_shape)
        for tensor, shape in zip(tensors, shapes, strict=True)
    ]
    if kind in ("maximum", "minimum"):
        return LayerBound.exact(1.0, "root of the sum of squares"), joined(tensors)
    if kind == "add scaled":
        return _added_scaled(operation, tensors, dtype)
    unit, root = gamma(k - 1, dtype), sqrt_up(float(k))
    layer = LayerBound(root, "sum of the branches", 0.0, mul_up(unit, root), 0.0)
    total = summed(tensors, dtype)
    if kind != "average":
        return layer, total
    share = div_up(1.0, float(k))
    rounding = mul_up(gamma(2, dtype), share)
    division = LayerBound(share, "mean of the branches", 0.0, rounding, 0.0)
    rounding = layer.then(division).rounding_slope
    layer = LayerBound(sqrt_up(share), "mean of the branches", 0.0, rounding, 0.0)
    return layer, total.through(operation.name, division)


def _refuse_bias_like(operation, shapes, output_shape):
    """Refuses a sum that Keras on TensorFlow may carry out along the wrong axis.

    Called eagerly, it takes a second operand for a bias that has one axis longer than 1, the batch
    axis among them, if that is as long as the first operand's second or last axis: one number for
    each example is added along the channels where there are as many examples as channels.
    """
    if keras.backend.backend() != "tensorflow":
        return
    for earlier, shape in itertools.pairwise(shapes):
        longer = [size for size in shape[1:] if size != 1]
        is_copied = tuple(shape[1:]) != tuple(output_shape[1:])
        # As a bias of the channels, which the sum so far has, it is added where it belongs.
        is_bias = len(longer) == 1 and shape[-1] == longer[0] == earlier[-1]
        if is_copied and len(longer) < 2 and not is_bias:
            raise UncertifiedLayerError(
                operation,
                f"Keras on TensorFlow may add a tensor of shape {tuple(shape)} to one of "
                f"{tuple(output_shape)} along another axis than that of broadcasting: repeat it "
                "to the same shape first, or subtract its negative.",
            )


def _added_scaled(layer, tensors, dtype) -> tuple[LayerBound, TensorBound]:
    """`x + scale y`, as in the blocks of keras.applications' Inception-ResNet."""
    scale = largest(as_constants(layer.scale))
    rounding = mul_up(gamma(2, constant_dtype(dtype, layer.scale)), scale)
    scaled = LayerBound(scale, "scale", 0.0, rounding, 0.0)
    total = summed([tensors[0], tensors[1].through(layer.name, scaled)], dtype)
    value = hypot_up(1.0, scale)
    # As a map of both: the product, then the sum.
    slope = add_up(rounding, mul_up(gamma(1, dtype), add_up(value, rounding)))
    return LayerBound(value, "x + scale y", 0.0, slope, 0.0), total


def _broadcast(operation, tensor, shape, output_shape):
    copies = broadcast_copies(shape, output_shape)
    if copies is None:
        raise UncertifiedLayerError(
            operation, f"It merges shape {tuple(shape)} into {tuple(output_shape)}."
        )
    if copies == 1:
        return tensor
    return tensor.through(operation.name, LayerBound.exact(sqrt_up(float(copies)), "copies"))
