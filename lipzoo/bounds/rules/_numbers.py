"""Small float64 helpers that the rules share. Every result is rounded upwards."""

import math

import numpy as np
from keras import ops

from lipzoo.bounds.errors import UncertifiedLayerError


def as_float64(weight) -> np.ndarray:
    """A variable or tensor of any backend and type, as a float64 array."""
    return np.asarray(ops.convert_to_numpy(weight)).astype("float64")


def largest(array) -> float:
    """Largest absolute value of an array; 0 for an empty one."""
    return float(np.max(np.abs(array), initial=0.0))


def as_constants(values) -> np.ndarray:
    """Absolute values of constants of a layer's configuration, as large as backends may take them.

    A Python number may pass through float32 on its way into a float64 computation (Keras' Rescaling
    does this), so that the map computed is the one with the float32 number. The larger of both
    counts; rounding bounds with constants are taken in at most float32, see `constant_dtype`.
    """
    values = np.abs(as_float64(values))
    with np.errstate(over="ignore"):
        return np.maximum(values, values.astype("float32").astype("float64"))


def smallest_constant(value: float) -> float:
    """A positive constant of a layer's configuration, as small as backends may take it."""
    return min(float(value), float(np.float32(value)))


def constant_dtype(dtype: str, *constants) -> str:
    """The type in whose precision the constants of a computation in `dtype` are surely known.

    Args:
        dtype: of the computation.
        *constants: what they are, where that is known: numbers of float32 lose nothing in it.

    Example:
        >>> constant_dtype("float64", 0.1), constant_dtype("float64", 0.5, [1.0, -3.0])
        ('float32', 'float64')
    """
    if dtype != "float64" or (constants and all(map(_is_of_float32, constants))):
        return dtype
    return "float32"


def _is_of_float32(constant) -> bool:
    """Whether all numbers are 0 or normal numbers of float32, which no backend flushes to 0."""
    exact = as_float64(constant)
    with np.errstate(over="ignore"):
        kept = exact.astype("float32").astype("float64") == exact
    normal = (exact == 0.0) | (np.abs(exact) >= float(np.finfo("float32").tiny))
    return bool(np.all(kept & normal))


def count(shape) -> int | None:
    """Number of entries of one example, from a shape with its batch axis; `None` when unknown."""
    sizes = shape[1:]
    return None if any(size is None for size in sizes) else math.prod(sizes)


def refuse_other_weights(layer, **shapes) -> None:
    """Raises unless the weights have the shapes that the layer was built with, or are `None`.

    The shapes of all that follows rest on those. Weights of others may have been set on it since.

    Args:
        layer: the layer.
        **shapes: expected shapes, by the names of the attributes.
    """
    for name, shape in shapes.items():
        weight = getattr(layer, name)
        if weight is not None and np.shape(as_float64(weight)) != tuple(shape):
            raise UncertifiedLayerError(
                layer,
                f"Its {name} has the shape {np.shape(as_float64(weight))}, and a layer of its "
                f"attributes on its input has {tuple(shape)}: build the model anew.",
            )


def refuse_wider(layer, input_shape, **arrays) -> None:
    """Raises unless arrays broadcast to the shape of the layer's input, which they do not widen.

    An array that is wider than the input copies its entries, and examples share what varies along
    the batch axis.
    """
    for name, array in arrays.items():
        shape = np.shape(array)
        sizes = (1, *input_shape[1:])[len(input_shape) - len(shape) :]
        fits = len(shape) <= len(input_shape) and all(
            size in (1, known) for size, known in zip(shape, sizes, strict=True)
        )
        if not fits:
            raise UncertifiedLayerError(
                layer,
                f"Its {name} of shape {shape} does not fit into inputs of shape {input_shape}, "
                "which would be copied.",
            )
