"""The rule for `keras.layers.EinsumDense`: a dense layer between any axes."""

import math

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.rules._numbers import as_float64
from lipzoo.bounds.rules.activation import activation_bound
from lipzoo.bounds.rules.linear import refuse_adapters, refuse_narrow_shift
from lipzoo.rounding import affine_rounding, norm_up
from lipzoo.spectral import absolute_norm_bound, dense_norm_bound


def letters_of(layer, rank: int) -> tuple[str, str, str]:
    """The axes of input, kernel and output, without those that a leading ellipsis stands for.

    Raises:
        UncertifiedLayerError: unless the batch axis comes first and is left alone, and every axis
            stands once: summed with the kernel, made by it, shared with it, or left alone.
    """
    operands, result = layer.equation.replace(" ", "").split("->")
    given, kernel = operands.split(",")
    inner = "..." in given.removeprefix("...") or "..." in result.removeprefix("...")
    if "..." in kernel or inner or ("..." in given) != ("..." in result):
        raise UncertifiedLayerError(layer, f"Its equation {layer.equation!r} is not understood.")
    leads = all(axes.startswith("...") for axes in (given, result))
    given, result = (axes.replace("...", "") for axes in (given, result))
    repeats = any(len(set(axes)) != len(axes) for axes in (given, kernel, result))
    summed_alone = (set(given) ^ set(kernel)) - set(result)
    if repeats or summed_alone or set(result) - set(given + kernel):
        raise UncertifiedLayerError(
            layer, f"Its equation {layer.equation!r} repeats axes or sums over an axis alone."
        )
    # What the ellipsis stands for has the batch axis in front.
    in_front = leads and rank > len(given)
    if not in_front and (leads or given[:1] != result[:1] or given[:1] in kernel):
        raise UncertifiedLayerError(layer, f"Its equation {layer.equation!r} moves the batch axis.")
    return given, kernel, result


def _einsum_dense(layer, input_shape):
    refuse_adapters(layer)
    given, axes, result = letters_of(layer, len(input_shape))
    kernel = as_float64(layer.kernel)
    if kernel.ndim != len(axes):
        raise UncertifiedLayerError(
            layer, f"Its kernel of shape {kernel.shape} does not fit {layer.equation!r}."
        )
    shared = [a for a in axes if a in given and a in result]
    summed = [a for a in axes if a not in result]
    made = [a for a in axes if a not in given]
    sizes = dict(zip(axes, kernel.shape, strict=True))
    blocks = np.transpose(kernel, [axes.index(a) for a in (*shared, *summed, *made)]).reshape(
        math.prod(sizes[a] for a in shared), math.prod(sizes[a] for a in summed), -1
    )
    # Block-diagonal, each block as often as there are positions.
    norm = max(dense_norm_bound(block) for block in blocks)
    absolute = max(absolute_norm_bound(block) for block in blocks)
    leading = len(input_shape) - len(given)
    sizes |= zip(given, input_shape[leading:], strict=True)
    output_shape = (*input_shape[:leading], *(sizes[axis] for axis in result))
    offset = 0.0
    if layer.bias is not None:
        bias = as_float64(layer.bias)
        refuse_narrow_shift(layer, bias, output_shape)
        if any(size is None for size in output_shape[1:]):
            offset = math.inf if np.any(bias) else 0.0
        else:
            offset = norm_up(np.broadcast_to(bias, (1, *output_shape[1:])))
    slope, constant = affine_rounding(
        blocks.shape[1],
        norm,
        bias_norm=offset,
        dtype=layer.compute_dtype,
        # Backends may carry out the contraction as any products.
        orders=math.inf,
        absolute_norm=absolute,
    )
    bound = LayerBound(norm, "largest Gram eigenvalue", offset, slope, constant)
    if layer.activation in (None, keras.activations.linear):
        return bound
    return bound.then(activation_bound(layer, layer.activation, output_shape))


RULES = {keras.layers.EinsumDense: _einsum_dense}
