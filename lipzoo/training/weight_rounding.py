"""Weights that fit into half precision, so that the file is half as large."""

import keras
import numpy as np

from lipzoo.bounds import lipschitz_bound


def round_weights(model: keras.Model, dtype: str = "float16") -> None:
    """Rounds every weight to a number that `dtype` represents; no constrained layer's bound rises.

    The variables keep their own dtype. Rounding a kernel can lift its norm a little; such a kernel
    is first scaled by `1 - 2⁻¹⁵`, `1 - 2⁻¹⁴`, … until the layer's bound, recomputed in float64 from
    the rounded values, is at most what it was. Layers without a kernel constraint are only rounded.

    Args:
        model: a model of layers with a `lipschitz_bound`; changed in place.
        dtype: `"float16"`, or `"float32"` for no change.

    Raises:
        ValueError: if a weight overflows `dtype`, or no scaling down to one half helps.
    """
    if dtype == "float32":
        return
    for layer in model.layers:
        before = [np.asarray(weight) for weight in layer.get_weights()]
        if not before:
            continue
        limit = lipschitz_bound(layer).value
        for factor in (1.0, *(1.0 - 2.0**-k for k in range(15, 0, -1))):
            layer.set_weights([_rounded(weight, factor, dtype, layer) for weight in before])
            if getattr(layer, "kernel_constraint", None) is None:
                break
            if lipschitz_bound(layer).value <= limit:
                break
        else:
            layer.set_weights(before)
            raise ValueError(f"{layer.name}: its bound rises however its weights are rounded")


def _rounded(weight, factor, dtype, layer):
    # Biases are not part of the bound; only matrices and convolution kernels are scaled.
    scaled = weight * factor if weight.ndim > 1 else weight
    with np.errstate(over="ignore"):
        rounded = scaled.astype(dtype).astype(weight.dtype)
    if not np.isfinite(rounded).all():
        raise ValueError(f"{layer.name}: a weight is too large for {dtype}")
    return rounded
