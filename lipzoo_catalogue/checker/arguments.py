"""Arguments of the architectures, read from `config.json` and checked again."""

import math
from collections.abc import Sequence


def count(value, name: str, least: int) -> int:
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


def counts(values, name: str) -> list[int]:
    """Returns a list of integers of at least 0."""
    if not isinstance(values, list | tuple):
        raise ValueError(f"Expected {name} to be a list. Received: {name}={values!r}")
    return [count(value, name, 0) for value in values]


def choice(value, name: str, choices: Sequence[str]) -> str:
    """Returns one of the choices.

    Raises:
        ValueError: for anything else.
    """
    if value not in choices:
        raise ValueError(
            f"Expected {name} to be one of {', '.join(choices)}. Received: {name}={value!r}"
        )
    return value


def interval(values, name: str) -> tuple[float, float]:
    """Returns two finite numbers, the first one below the second.

    Raises:
        ValueError: for anything else.
    """
    numbers = values if isinstance(values, list | tuple) and len(values) == 2 else (0.0, 0.0)
    valid = all(isinstance(value, int | float) for value in numbers)
    if not (valid and -math.inf < numbers[0] < numbers[1] < math.inf):
        raise ValueError(
            f"Expected {name} to be two increasing numbers. Received: {name}={values!r:.80}"
        )
    return tuple(numbers)


def sizes(shape) -> list[int]:
    """Returns the shape of an image, a sequence or a table.

    Raises:
        ValueError: unless it is a list of one to three positive integers.
    """
    if not isinstance(shape, list | tuple) or len(shape) not in (1, 2, 3):
        raise ValueError(
            "Expected input_shape to be (height, width, channels), (length, channels) or "
            f"(features,). Received: input_shape={shape!r}"
        )
    return [count(size, "input_shape", 1) for size in shape]
