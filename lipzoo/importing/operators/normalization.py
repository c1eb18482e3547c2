"""Normalisation by stored statistics, and by those of the example."""

import keras
import numpy as np

from lipzoo.importing.call import Call, Operator
from lipzoo.importing.tensor import channels_last

_STATISTICS = ("scale", "B", "mean", "var")


def _batch_normalization(call: Call):
    """`scale (x - mean) / sqrt(var + epsilon) + B`, for each channel."""
    if call.attribute("training_mode", 0) or not call.attribute("spatial", 1):
        call.refuse("training_mode=0 and spatial=1", dict(call.node.attributes))
    tensor = call.tensor()
    tensor = call.arranged(tensor, channels_last(tensor.rank))
    weights = [call.floats(1 + i, name) for i, name in enumerate(_STATISTICS)]
    channels = tensor.keras.shape[-1]
    if {array.shape for array in weights} != {(channels,)}:
        call.refuse(f"{channels} numbers each", [array.shape for array in weights])
    epsilon = call.attribute("epsilon", 1e-5)
    if np.any(weights[-1] + np.float32(epsilon) <= 0):
        call.refuse("variances above 0 with epsilon", float(weights[-1].min()))
    made = call.layer(
        keras.layers.BatchNormalization, tensor.keras, weights=weights, epsilon=epsilon
    )
    return tensor.with_keras(made)


def _instance_normalization(call: Call):
    """`scale (x - mean) / sqrt(var + epsilon) + B`, statistics of each channel of an example."""
    tensor = call.image()
    channels = tensor.keras.shape[-1]
    made = call.layer(
        keras.layers.GroupNormalization,
        tensor.keras,
        weights=[call.floats(1, "scale"), call.floats(2, "B")],
        groups=channels,
        epsilon=call.attribute("epsilon", 1e-5),
    )
    return tensor.with_keras(made)


def _layer_normalization(call: Call):
    """The same, with statistics over the last axes from `axis` on."""
    tensor = call.in_file_order()
    first = call.axis(call.attribute("axis", -1), tensor.rank)
    shape = tensor.shape[first:]
    weights = [call.floats(1, "scale")]
    if call.optional_constant(2, "B") is not None:
        weights.append(call.floats(2, "B"))
    made = call.layer(
        keras.layers.LayerNormalization,
        tensor.keras,
        weights=[np.broadcast_to(array, shape) for array in weights],
        axis=list(range(first, tensor.rank)),
        center=len(weights) > 1,
        epsilon=call.attribute("epsilon", 1e-5),
    )
    return tensor.with_keras(made)


OPERATORS = {
    "BatchNormalization": Operator(_batch_normalization, "at inference"),
    "InstanceNormalization": Operator(_instance_normalization, "certified with rounding=False"),
    "LayerNormalization": Operator(_layer_normalization, "certified with rounding=False"),
}
