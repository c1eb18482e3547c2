"""Bounds of one layer that is in no model."""

import keras

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.model_bound import LayerRow, LipschitzBound
from lipzoo.bounds.rule_registry import check_layer, has_own_bound, layer_bound
from lipzoo.bounds.tensor_bound import input_tensor, joined
from lipzoo.bounds.walk import linear_head
from lipzoo.keras_internals import calls_of


def check_alone(layer) -> None:
    """Refuses a layer that `bound_of_layer` would refuse, without computing norms.

    Raises:
        UncertifiedLayerError: see there.
        ValueError: if the layer is not built.
    """
    check_layer(layer, _shape_alone(layer))


def _shape_alone(layer):
    """The input shape of a layer that can be looked at alone."""
    if not isinstance(layer, keras.layers.Layer):
        raise UncertifiedLayerError(layer, "It is not a layer.")
    if isinstance(layer, keras.Model) and not has_own_bound(layer):
        raise UncertifiedLayerError(
            layer,
            "It is a subclassed model: what its `call` computes cannot be followed. Build it from "
            "layers with the functional interface, keras.Model(inputs, outputs).",
        )
    return _built_shape(layer)


def bound_of_layer(layer) -> LipschitzBound:
    """The bound of one built layer.

    Raises:
        UncertifiedLayerError: if there is no rule for it.
        ValueError: if the layer is not built, or a weight is NaN or infinite.
    """
    shape = _shape_alone(layer)
    bound = layer_bound(layer, shape)
    if isinstance(shape, list):
        start = joined([input_tensor(i, layer.compute_dtype) for i in range(len(shape))])
    else:
        start = input_tensor(0, layer.compute_dtype)
    output = start.through(layer.name, bound)
    row = LayerRow(layer.name, type(layer).__name__, bound, output.bound.value)
    head = None if isinstance(shape, list) else linear_head(layer.name, layer, [shape], start)
    return LipschitzBound(layer.name, output.bound.value, (row,), output, head)


def _built_shape(layer):
    shape = (layer.get_build_config() or {}).get("input_shape")
    if shape is None and (calls := calls_of(layer)):
        shapes = [tuple(tensor.shape) for tensor in calls[0].input_tensors]
        shape = shapes[0] if len(shapes) == 1 else shapes
    if shape is None:
        raise ValueError(
            f"Expected layer '{layer.name}' to be built, so that its input shape is known: call "
            f"layer.build(input_shape) or use it in a model. Received: an unbuilt layer"
        )
    return shape if isinstance(shape, list) else tuple(shape)
