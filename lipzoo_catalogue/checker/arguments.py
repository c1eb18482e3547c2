"""Arguments of the architectures, read from `config.json` and checked again."""

import math
from collections.abc import Sequence
from typing import TypeGuard, cast


def count(value: object, name: str, least: int) -> int:
    """Returns an integer of at least `least`.

    Raises:
        ValueError: for anything else.

    >>> count(3, "depth", 1)
    3
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"Expected {name} to be an integer of at least {least}. Received: {name}={value!r}"
        )
    return value


def neurons(value: object, inputs: int, name: str) -> int:
    """Returns how many neurons an operator of so many inputs has.

    As many as inputs for None, half of them for `"half"`, else the number itself.

    Raises:
        ValueError: for anything else.

    >>> neurons("half", 9, "units")
    4
    """
    if value is None:
        return inputs
    return max(1, inputs // 2) if value == "half" else count(value, name, 1)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number, and not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def counts(values: object, name: str) -> list[int]:
    """Returns a list of integers of at least 0."""
    items = _items(values)
    if items is None:
        raise ValueError(f"Expected {name} to be a list. Received: {name}={values!r}")
    return [count(value, name, 0) for value in items]


def choice(value: object, name: str, choices: Sequence[str]) -> str:
    """Returns one of the choices.

    Raises:
        ValueError: for anything else.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"Expected {name} to be one of {', '.join(choices)}. Received: {name}={value!r}"
        )
    return value


def interval(values: object, name: str) -> tuple[float, float]:
    """Returns two finite numbers, the first one below the second.

    Raises:
        ValueError: for anything else.
    """
    numbers = [value for value in _items(values) or () if isinstance(value, int | float)]
    if len(numbers) != len(_items(values) or ()) or len(numbers) != 2:
        numbers = [0.0, 0.0]
    low, high = numbers
    if not -math.inf < low < high < math.inf:
        raise ValueError(
            f"Expected {name} to be two increasing numbers. Received: {name}={values!r:.80}"
        )
    return low, high


def sizes(shape: object) -> list[int]:
    """Returns the shape of an image, a sequence or a table.

    Raises:
        ValueError: unless it is a list of one to three positive integers.
    """
    items = _items(shape)
    if items is None or len(items) not in (1, 2, 3):
        raise ValueError(
            "Expected input_shape to be (height, width, channels), (length, channels) or "
            f"(features,). Received: input_shape={shape!r}"
        )
    return [count(size, "input_shape", 1) for size in items]


def _items(values: object) -> Sequence[object] | None:
    """The items of a list or a tuple; `None` for anything else."""
    if not isinstance(values, list | tuple):
        return None
    return cast(Sequence[object], values)
