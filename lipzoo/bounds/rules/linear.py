"""Rules for dense layers and for layers that scale and shift every entry."""

import math

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.rules._numbers import (
    as_constants,
    as_float64,
    constant_dtype,
    count,
    largest,
    refuse_other_weights,
    refuse_wider,
    smallest_constant,
)
from lipzoo.bounds.rules.activation import activation_bound
from lipzoo.keras_internals import LayerScale
from lipzoo.rounding import affine_rounding, gamma, inflated, mul_up, norm_up, repeated
from lipzoo.spectral import absolute_norm_bound, dense_norm_bound

# Of keras.layers.Normalization, for each of the terms x / deviation and mean / deviation: the root
# and the maximum of the variance, a difference and a quotient, in whatever order a compiler takes
# them, with room to spare.
NORMALIZATION_ROUNDINGS = 12


def dense_bound(kernel, bias, positions: int | None, dtype: str) -> LayerBound:
    """Bound of `x -> K^T x + b`, applied at each of `positions` positions of the input.

    The map is block-diagonal with equal blocks, so its norm is `||K||` for any number of positions.

    Example:
        >>> dense_bound(np.eye(3), None, 1, "float32").value < 1.0 + 1e-9
        True
    """
    norm = dense_norm_bound(kernel)
    offset = 0.0 if bias is None else repeated(norm_up(bias), positions)
    slope, constant = affine_rounding(
        kernel.shape[0],
        norm,
        bias_norm=offset,
        dtype=dtype,
        outputs=math.inf if positions is None else positions * kernel.shape[1],
        absolute_norm=absolute_norm_bound(kernel),
    )
    return LayerBound(norm, "largest Gram eigenvalue", offset, slope, constant)


def refuse_adapters(layer):
    """Raises for a layer whose forward pass uses more than its `kernel`: LoRA factors."""
    if getattr(layer, "lora_enabled", False):
        raise UncertifiedLayerError(
            layer,
            "It has LoRA factors beside its kernel. Save the model and load it again: saving "
            "merges them into the kernel.",
        )


def _dense(layer, input_shape):
    refuse_adapters(layer)
    refuse_other_weights(layer, kernel=(input_shape[-1], layer.units), bias=(layer.units,))
    bias = None if layer.bias is None else as_float64(layer.bias)
    positions = count(input_shape[:-1])
    bound = dense_bound(as_float64(layer.kernel), bias, positions, layer.compute_dtype)
    output_shape = (*input_shape[:-1], layer.units)
    if layer.activation in (None, keras.activations.linear):
        return bound
    return bound.then(activation_bound(layer, layer.activation, output_shape))


def scale_and_shift(layer, scale, shift, input_shape, dtype, roundings, derivation) -> LayerBound:
    """Bound of `x -> scale * x + shift` with arrays that broadcast to the shape of the input.

    The factor and the shift are computed with at most `roundings` roundings in all, the shift as a
    sum of terms whose absolute values add up to `shift`. (Here only absolute values count.)
    """
    refuse_wider(layer, input_shape, scale=scale, offset=shift)
    factor = largest(scale)
    shift = np.abs(np.asarray(shift, "float64"))
    sizes = input_shape[1:]
    if any(size is None for size in sizes):
        known = largest(shift)
        offset = 0.0 if known == 0.0 else math.inf
    else:
        offset = norm_up(np.broadcast_to(shift, (1, *sizes)))
    unit = gamma(roundings, dtype)
    return LayerBound(factor, derivation, offset, mul_up(unit, factor), mul_up(unit, offset))


def refuse_narrow_shift(operation, shift, shape) -> None:
    """Refuses a constant that TensorFlow may add to a product as a bias that it is not.

    In compiled graphs a product, its bias and a constant that is added to them become one kernel.
    Where the constant's last axis has a single number, the kernel reads as many as the product has
    columns, or fails.

    Args:
        operation: what adds it.
        shift: the constant.
        shape: shape of what it is added to.

    Raises:
        UncertifiedLayerError: see there.
    """
    sizes = np.shape(shift)
    narrow = bool(sizes) and sizes[-1] == 1 and shape[-1] != 1
    if narrow and keras.backend.backend() == "tensorflow":
        raise UncertifiedLayerError(
            operation,
            f"TensorFlow, when it compiles a model, may add a constant of shape {sizes} wrongly "
            "behind a Dense or Conv layer: add a number instead, 0.5 and not [0.5].",
        )


def _batch_normalization(layer, input_shape):
    variance = as_float64(layer.moving_variance)
    # With different signs the sum cancels, and its rounding has no bound.
    if np.any(variance < 0) or layer.epsilon < 0:
        raise ValueError(
            f"Expected layer '{layer.name}' to have moving_variance >= 0 and epsilon >= 0. "
            f"Received: smallest moving_variance={float(variance.min())}, epsilon={layer.epsilon}"
        )
    variance = variance + smallest_constant(layer.epsilon)
    if np.any(variance <= 0):
        raise ValueError(
            f"Expected layer '{layer.name}' to have moving_variance + epsilon > 0. "
            f"Received: smallest moving_variance + epsilon={float(variance.min())}"
        )
    scale = 1.0 / np.sqrt(variance)
    if layer.scale:
        scale = np.abs(as_float64(layer.gamma)) * scale
    # A sum, a root, a quotient and a product; then one more product, and a sum.
    scale = inflated(scale, operations=4)
    shift = np.abs(as_float64(layer.moving_mean)) * scale
    if layer.center:
        shift = shift + np.abs(as_float64(layer.beta))
    shift = inflated(shift, operations=2)
    shape = [1] * len(input_shape)
    shape[layer.axis] = -1
    scale = scale.reshape(shape)
    # Inverse root: two roundings inside (halved by the root) and six for rsqrt; then the product
    # with gamma, the products with x and with the mean, and two sums.
    return scale_and_shift(
        layer,
        scale,
        shift.reshape(shape),
        input_shape,
        layer.compute_dtype,
        roundings=12,
        derivation="max |gamma| / sqrt(variance + epsilon)",
    )


def _normalization(layer, input_shape):
    if layer.mean is None:
        raise ValueError(
            f"Expected layer '{layer.name}' to be built or adapted. Received: mean=None"
        )
    mean, variance = as_float64(layer.mean), as_float64(layer.variance)
    if not (np.all(np.isfinite(mean)) and np.all(variance >= 0) and np.all(np.isfinite(variance))):
        raise ValueError(
            f"Expected layer '{layer.name}' to have finite mean and variance, variance >= 0. "
            f"Received: mean={mean.ravel()[:3]}..., variance={variance.ravel()[:3]}..."
        )
    deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
    if layer.invert:
        scale, shift = inflated(deviation, operations=1), np.abs(mean)
    else:
        scale = inflated(1.0 / deviation, operations=2)
        shift = inflated(np.abs(mean) * scale, operations=1)
    return scale_and_shift(
        layer,
        scale,
        shift,
        input_shape,
        layer.compute_dtype,
        roundings=NORMALIZATION_ROUNDINGS,
        derivation="max deviation" if layer.invert else "1 / min deviation",
    )


def _rescaling(layer, input_shape):
    scale, shift = as_constants(layer.scale), as_constants(layer.offset)
    if not (np.all(np.isfinite(scale)) and np.all(np.isfinite(shift))):
        raise ValueError(
            f"Expected layer '{layer.name}' to have a finite scale and offset. "
            f"Received: scale={layer.scale}, offset={layer.offset}"
        )
    if keras.config.image_data_format() == "channels_first":
        for name, array in (("scale", scale), ("offset", shift)):
            if array.ndim:
                raise UncertifiedLayerError(
                    layer, f"An array as {name} is not analysed for channels_first."
                )
    refuse_narrow_shift(layer, shift, input_shape)
    dtype = constant_dtype(layer.compute_dtype, layer.scale, layer.offset)
    return scale_and_shift(layer, scale, shift, input_shape, dtype, 4, "largest scale factor")


def _layer_scale(layer, input_shape):
    gamma = as_float64(layer.gamma)
    # Gamma is rounded to the type, then a product.
    return scale_and_shift(
        layer, gamma, 0.0, input_shape, layer.compute_dtype, 2, "largest scale factor"
    )


RULES = {
    LayerScale: _layer_scale,
    keras.layers.Dense: _dense,
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.Normalization: _normalization,
    keras.layers.Rescaling: _rescaling,
}
