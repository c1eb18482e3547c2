"""What the spectral functions are given: checked, converted to float64 exactly, and scaled."""

import math

import keras
import numpy as np


def kernel_to_float64(kernel, ranks) -> np.ndarray:
    """Returns the kernel as a float64 array of the same values.

    Args:
        kernel: NumPy array, nested list, Keras variable or tensor, of any float type up to float64.
        ranks: the allowed ranks.

    Raises:
        ValueError: for another rank, a type that float64 does not contain, NaN or infinity.

    Example:
        >>> kernel_to_float64([[1, 2]], ranks=(2,))
        array([[1., 2.]])
    """
    if isinstance(kernel, keras.Variable) or keras.ops.is_tensor(kernel):
        kernel = keras.ops.convert_to_numpy(kernel)
    try:
        array = np.asarray(kernel)
    except (TypeError, ValueError) as error:
        message = f"kernel must be an array of numbers ({error}). Received: kernel={kernel!r}"
        raise ValueError(message) from None
    if not np.can_cast(array.dtype, np.float64, "safe"):
        raise ValueError(
            "kernel must be of a real type that float64 contains. "
            f"Received: kernel of dtype {array.dtype}"
        )
    if array.ndim not in ranks:
        raise ValueError(
            f"kernel must be of rank {' or '.join(map(str, ranks))}. "
            f"Received: kernel of shape {array.shape}"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        worst = array[~np.isfinite(array)][0]
        raise ValueError(f"kernel must be finite. Received: a kernel that contains {worst}")
    return array


def scale_to_unit(array: np.ndarray) -> tuple[np.ndarray, int]:
    """Returns `(array / 2^e, e)` with the largest modulus in [1/2, 1); (array, 0) if it is zero.

    Exact, except that entries 2^-1021 times smaller than the largest may underflow.

    Example:
        >>> scale_to_unit(np.array([3.0, 8.0]))
        (array([0.1875, 0.5   ]), 4)
    """
    largest = float(np.max(np.abs(array), initial=0.0))
    if largest == 0.0:
        return array, 0
    exponent = math.frexp(largest)[1]
    return np.ldexp(array, -exponent), exponent


def scale_back(value: float, exponent: int) -> float:
    """Returns the smallest float64 that is at least `value * 2^exponent`.

    Example:
        >>> scale_back(0.75, 2), scale_back(1.0, 2000), scale_back(1.0, -2000)
        (3.0, inf, 5e-324)
    """
    try:
        result = math.ldexp(value, exponent)
    except OverflowError:
        return math.inf
    if value > 0.0 and (result == 0.0 or math.ldexp(result, -exponent) < value):
        result = math.nextafter(result, math.inf)
    return result
