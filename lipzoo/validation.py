"""Checks that several parts share: numbers and ranges among their arguments, and labels."""

import math
import numbers
import operator
from typing import Any, cast

import keras
import numpy as np
from keras import ops

# As many neurons as half of the inputs.
HALF = "half"


def integer(value, name: str, minimum: float = 1) -> int:
    """Returns `value` as an int if it is a whole number of at least `minimum`, NumPy's among them.

    Raises:
        ValueError: for anything else, truth values and floats included.

    Example:
        >>> integer(np.int64(3), "steps")
        3
        >>> integer(0, "steps")
        Traceback (most recent call last):
        ValueError: steps must be a positive integer. Received: steps=0
    """
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < minimum:
        raise ValueError(f"{name} must be {_an_integer(minimum)}. Received: {name}={value!r}")
    return number


def _an_integer(minimum) -> str:
    if minimum == -math.inf:
        return "an integer"
    return "a positive integer" if minimum == 1 else f"an integer of at least {minimum}"


def integers(value, count: int, name: str, minimum: float = 1) -> tuple[int, ...]:
    """Returns `value`, an integer or one per axis, as a tuple of `count` of at least `minimum`.

    Raises:
        ValueError: for anything else, see `integer`.

    Example:
        >>> integers(2, 2, "strides")
        (2, 2)
    """
    values = tuple(value) if isinstance(value, list | tuple | np.ndarray) else (value,) * count
    try:
        found = tuple(integer(single, name, minimum) for single in values)
    except ValueError:
        found = ()
    if len(found) != count:
        raise ValueError(
            f"{name} must be {_an_integer(minimum)} or {count} of them. Received: {name}={value!r}"
        )
    return found


def check_neurons(value, name: str):
    """Returns `value` if it is None, `"half"` or a positive integer (as an int).

    Raises:
        ValueError: for anything else.

    Example:

    >>> check_neurons("third", "units")
    Traceback (most recent call last):
    ValueError: units must be a positive integer, None or 'half'. Received: units='third'
    """
    if value is None or (isinstance(value, str) and value == HALF):
        return value
    try:
        return integer(value, name)
    except ValueError:
        raise ValueError(
            f"{name} must be a positive integer, None or {HALF!r}. Received: {name}={value!r}"
        ) from None


def neurons(value, inputs: int) -> int:
    """The number that a checked value stands for, with an operator of so many inputs.

    >>> [neurons(value, 9) for value in (None, "half", 3)]
    [9, 4, 3]
    """
    if value is None:
        return inputs
    return max(1, inputs // 2) if value == HALF else value


def positive_number(value: Any, name: str) -> float:
    """Returns `value` as a float if it is a positive finite number.

    Raises:
        ValueError: for anything else.

    Example:
        >>> positive_number(2, "time")
        2.0
    """
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool)
    value = cast(Any, value)
    if not (valid and math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive finite number. Received: {name}={value!r}")
    return float(value)


def finite_number(value, name: str, positive: bool = False) -> float:
    """Returns `value` as a float if it is finite and non-negative, or positive.

    Raises:
        ValueError: for anything else.

    Example:
        >>> finite_number(1, "epsilon")
        1.0
    """
    is_text_or_flag = isinstance(value, str | bytes | bool)
    try:
        number = math.nan if is_text_or_flag else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        sign = "positive" if positive else "non-negative"
        raise ValueError(f"Expected a finite, {sign} `{name}`. Received: {name}={value!r}")
    return number


def check_bounds(bounds) -> tuple[float, float]:
    """Returns the range of an image's values as two floats.

    Raises:
        ValueError: unless they are two finite, increasing numbers.

    Example:
        >>> check_bounds((0, 1))
        (0.0, 1.0)
    """
    try:
        low, high = bounds
        is_text = isinstance(low, str | bytes) or isinstance(high, str | bytes)
        low, high = (math.nan, math.nan) if is_text else (float(low), float(high))
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"bounds must be two finite, increasing numbers. Received: bounds={bounds!r}"
        )
    return low, high


def real_array(value, name: str, booleans: bool = False) -> np.ndarray:
    """An array, list or tensor as a NumPy array of real numbers, in the type that it has.

    Conversion to float would drop an imaginary part or a mask, and count days or read text,
    without a word.

    Args:
        value: the array.
        name: what to call it in an error.
        booleans: whether truth values count as 0 and 1.

    Raises:
        ValueError: for complex numbers, masked entries, dates, text, objects, sparse matrices.

    Example:

    >>> real_array([1, 2], "y").tolist()
    [1, 2]
    >>> real_array(1j, "y")
    Traceback (most recent call last):
    ValueError: Expected y to be an array of numbers, real ones... Received: y of type complex128
    """
    expected = f"Expected {name} to be an array of numbers, real ones."
    if hasattr(value, "toarray") or hasattr(value, "todense"):
        raise ValueError(
            f"{expected} Make a sparse matrix a dense one: .toarray(). "
            f"Received: {name} of type {type(value).__name__}"
        )
    if np.ma.is_masked(value):
        raise ValueError(
            f"{expected} Fill what is masked: .filled(...). "
            f"Received: {name} with {int(np.ma.count_masked(value))} masked entries"
        )
    try:
        is_tensor = ops.is_tensor(value) or isinstance(value, keras.Variable)
        array = np.asarray(ops.convert_to_numpy(value) if is_tensor else value)
    except Exception as error:
        raise ValueError(f"{expected} Received: {name} of type {type(value).__name__}") from error
    check_real(array.dtype, name, booleans)
    return array


def check_real(dtype, name: str, booleans: bool = False) -> None:
    """Refuses every type but those of real numbers.

    Raises:
        ValueError: see `real_array`.

    >>> check_real("float32", "y")
    """
    text = str(getattr(dtype, "name", dtype))
    kinds = ("float", "bfloat", "int", "uint", *(("bool",) if booleans else ()))
    if text.startswith(kinds):
        return
    hint = ""
    if text.startswith("complex"):
        hint = " Stack real and imaginary part as two channels: np.stack([z.real, z.imag], -1)."
    raise ValueError(
        f"Expected {name} to be an array of numbers, real ones.{hint} "
        f"Received: {name} of type {text}"
    )


def values_outside(values: np.ndarray, low: float, high: float) -> str:
    """Says from where to where values go that leave a range, or nothing if they keep to it.

    A resize or a division ends a few roundings of float32 beyond the range that is meant: values
    within `16 2^-23 max(|low|, |high|)` of it keep to it.

    Args:
        values: numbers, at least one, none of them NaN.
        low: lower end of the range.
        high: upper end.

    Example:
        >>> values_outside(np.array([0.0, 1.000001]), 0.0, 1.0)
        ''
        >>> values_outside(np.array([0.0, 1.00001]), 0.0, 1.0)
        'values from 0 to 1.00001'
    """
    lowest, highest = float(values.min()), float(values.max())
    slack = 16 * 2.0**-23 * max(abs(low), abs(high))
    if low - slack <= lowest and highest <= high + slack:
        return ""
    return f"values from {lowest:.9g} to {highest:.9g}"


def class_numbers(labels, classes: int):
    """Integer labels as int32 in `[0, classes)`, and which of them are valid labels.

    A label that is negative, too large, NaN or between two integers is not valid; in its place
    stands some number in the range. (Compiled code cannot raise for it.)

    Example:
        >>> numbers, valid = class_numbers(ops.array([1.0, 0.5, 7.0]), classes=3)
        >>> ops.convert_to_numpy(numbers)[0].item(), ops.convert_to_numpy(valid).tolist()
        (1, [True, False, False])
    """
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if dtype in ("bool", "int8", "uint8", "int16", "uint16"):
        labels = ops.cast(labels, "int32")
    valid = ops.logical_and(labels >= 0, labels < classes)
    if keras.backend.is_float_dtype(dtype):
        valid = ops.logical_and(valid, labels == ops.floor(labels))
    return ops.cast(ops.where(valid, labels, ops.zeros_like(labels)), "int32"), valid
