"""How many neurons an operator has: a number, as many as it has inputs, or half of them."""

from lipzoo.validation import integer

HALF = "half"


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
