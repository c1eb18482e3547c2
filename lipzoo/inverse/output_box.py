"""The box that a model puts its images into, where clipping is the last thing that it does."""

import math
import numbers

import keras
import numpy as np

from lipzoo.keras_internals import made_by, numpy_operations
from lipzoo.rounding import inflated, mul_up, sqrt_up


def output_box(model: keras.Model) -> tuple[float, float] | None:
    """Smallest and largest value of an output in float32 or float64; `None` where none is known.

    Args:
        model: functional or sequential model with one output.

    Example:

    >>> inputs = keras.Input((3,))
    >>> output_box(keras.Model(inputs, keras.ops.clip(inputs, 0.0, 1.0)))
    (0.0, 1.0)
    >>> output_box(keras.Model(inputs, 2.0 * inputs)) is None
    True
    """
    operation, _, _ = made_by(model.outputs[0])
    # In half precision limits are rounded more.
    exact = keras.backend.standardize_dtype(model.outputs[0].dtype) in ("float32", "float64")
    if type(operation) is not numpy_operations.Clip or not exact:
        return None
    low, high = operation.x_min, operation.x_max
    if not (isinstance(low, numbers.Real) and isinstance(high, numbers.Real)):
        return None
    # A number of Python may pass through float32 on its way.
    with np.errstate(over="ignore"):
        near = [float(np.float32(limit)) for limit in (low, high)]
    low, high = min(float(low), near[0]), max(float(high), near[1])
    # What is below the normal numbers of float32 may be flushed to 0.
    tiny = float(np.finfo("float32").tiny)
    known = all(limit == 0 or tiny <= abs(limit) < np.inf for limit in (low, high))
    return (low, high) if known and low <= high else None


def farthest(box: tuple[float, float], images: np.ndarray) -> np.ndarray:
    """Upper bounds of the distance from each image to any other image in the box."""
    exact = images.reshape(len(images), -1).astype("float64")
    gap = np.maximum(np.abs(box[1] - exact), np.abs(exact - box[0]))
    # A difference, a square, a sum, a root.
    return inflated(np.linalg.norm(gap, axis=1), operations=exact.shape[1] + 4)


def refuse_other_units(model: keras.Model, y: np.ndarray, noise_norm: float) -> None:
    """Refuses measurements that are in other units, since no image in the model's box gives them.

    An image x in the box is no larger than the box lets it be, and `‖y‖ <= ‖A‖ ‖x‖ + δ`; what is
    more than twice as large is no matter of more noise than was stated. The operator is that of the
    model's layers; a model without one whose inputs are images, too, measures the image itself.

    Args:
        model: the model; one without a box refuses nothing.
        y: measurements, shape `(examples, ...)`, finite.
        noise_norm: δ, the norm of what they may be off by.

    Raises:
        ValueError: if one is too large; the message says by how much.
    """
    box = output_box(model)
    if box is None:
        return
    operators = [getattr(layer, "operator", None) for layer in model._flatten_layers()]
    norms = [operator.norm_bound for operator in operators if operator is not None]
    if not norms and model.input_shape != model.output_shape:
        return
    norm = max(norms, default=1.0)
    values = math.prod(model.output_shape[1:])
    largest = norm * max(map(abs, box)) * math.sqrt(values) + noise_norm
    norms = np.linalg.norm(y.reshape(len(y), -1).astype("float64"), axis=1)
    if (norms > 2 * largest).any():
        raise ValueError(
            f"Expected measurements of images in [{box[0]:g}, {box[1]:g}], whose norm is at most "
            f"{largest:.4g} with noise. Received: one of norm {norms.max():.4g}; other units?"
        )


def diameter(box: tuple[float, float], values: int) -> float:
    """Upper bound of the distance of any two images with so many values in the box."""
    return mul_up(inflated(box[1] - box[0], operations=1), sqrt_up(float(values)))
