"""What operators are called with: batches and shapes."""

import keras

from lipzoo.validation import check_real, real_array


def as_batch(values, shape):
    """A floating point tensor of shape `(batch, *shape)`; integers are cast to the default type.

    Raises:
        ValueError: if it has another shape, or values that are no real numbers.
    """
    if not keras.ops.is_tensor(values) and not isinstance(values, keras.Variable):
        values = real_array(values, "the batch", booleans=True)
    tensor = keras.ops.convert_to_tensor(values)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    check_real(dtype, "the batch", booleans=True)
    if not keras.backend.is_float_dtype(dtype):
        tensor = keras.ops.cast(tensor, keras.config.floatx())
    if tuple(tensor.shape[1:]) != tuple(shape):
        raise ValueError(
            f"Expected a batch of shape {(None, *shape)}. Received: {tuple(tensor.shape)}"
        )
    return tensor


def checked_shape(shape, name) -> tuple[int, ...]:
    """Returns a shape as a tuple if it consists of positive integers.

    Raises:
        ValueError: otherwise.
    """
    sizes = tuple(shape) if isinstance(shape, list | tuple) else ()
    if not sizes or not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError(f"{name} must be a tuple of positive integers. Received: {name}={shape!r}")
    return sizes
