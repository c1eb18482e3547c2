"""Enlarging by repeating entries, or along lines between them."""

from typing import Any

import keras

from lipzoo.importing.call import Call, Operator

_KINDS: dict[int, Any] = {1: keras.layers.UpSampling1D, 2: keras.layers.UpSampling2D}
# For whole factors all of these take entry `i // factor`.
_REPEATING = {
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("half_pixel_symmetric", "round_prefer_floor"),
}
_BETWEEN_CENTRES = ("half_pixel", "pytorch_half_pixel")


def _resized(call: Call):
    tensor = call.image()
    newer = call.node.op == "Resize" and call.graph.opset >= 11
    where = call.attribute(
        "coordinate_transformation_mode", "half_pixel" if newer else "asymmetric"
    )
    nearest = call.attribute("nearest_mode", "round_prefer_floor" if newer else "floor")
    mode = call.attribute("mode", "nearest")
    repeats = mode == "nearest" and (where, nearest) in _REPEATING
    interpolates = mode == "linear" and where in _BETWEEN_CENTRES and tensor.rank == 4
    if not (repeats or interpolates) or call.attribute("axes") is not None:
        expected = "nearest neighbours that repeat entries, or lines between centres of pixels"
        call.refuse(expected, dict(call.node.attributes))
    factors = _factors(call, tensor, 2 if newer else 1)
    if factors[:2] != [1, 1] or any(factor < 1 or factor % 1 for factor in factors):
        call.refuse("whole factors behind batch and channels", factors)
    size: Any = [int(factor) for factor in factors[2:]]
    config = {"interpolation": "bilinear"} if interpolates else {}
    made = call.layer(
        _KINDS[len(size)], tensor.keras, size=size if len(size) > 1 else size[0], **config
    )
    return tensor.with_keras(made, tensor.nonnegative)


def _factors(call: Call, tensor, position) -> list[float]:
    scales = call.optional_constant(position, "scales")
    if scales is not None and scales.size:
        return [float(scale) for scale in scales.ravel()]
    sizes = call.optional_constant(position + 1, "sizes")
    if sizes is None or len(sizes) != tensor.rank:
        call.refuse("constant scales or sizes", call.node.inputs)
    shape = (call.graph.batch, *tensor.shape[1:])
    return [float(size) / own for size, own in zip(sizes, shape, strict=True)]


OPERATORS = {
    "Upsample": Operator(_resized, "nearest neighbours, whole factors"),
    "Resize": Operator(
        _resized, "whole factors; nearest neighbours, or linear between centres of pixels"
    ),
}
