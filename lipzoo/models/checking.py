"""Checks of arguments that the builders share."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lipzoo.validation import integer

_Arguments = ParamSpec("_Arguments")
_Model = TypeVar("_Model")


def without_weights(builder: Callable[_Arguments, _Model]) -> Callable[_Arguments, _Model]:
    """A builder that says where trained weights come from, to who expects it to take them.

    `keras.applications` has them as `weights=`.
    """

    @functools.wraps(builder)
    def build(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Model:
        if "weights" in kwargs:
            name = builder.__name__
            raise TypeError(
                f"{name} makes a network with fresh weights; lipzoo.load(NAME) returns one with "
                "trained weights, lipzoo.load(NAME, num_classes=N) with a fresh head, and "
                f"lipzoo.list_models() has the names. Received: weights={kwargs['weights']!r}"
            )
        return builder(*args, **kwargs)

    return build


def checked_shape(input_shape) -> tuple[int, ...]:
    """Returns the shape as a tuple if it is one of an image, a sequence or a table."""
    sizes = tuple(input_shape) if isinstance(input_shape, list | tuple) else ()
    known = all(isinstance(size, int) and size > 0 for size in sizes)
    if len(sizes) not in (1, 2, 3) or not known:
        raise ValueError(
            "input_shape must be (height, width, channels), (length, channels) or (features,) "
            f"with positive integers. Received: input_shape={input_shape}"
        )
    return sizes


def check_classes(num_classes):
    """Refuses fewer than two classes."""
    integer(num_classes, "num_classes", 2)


def check_choice(value, name, choices):
    """Refuses a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}. Received: {name}={value!r}")


def check_stages(depth, stages):
    """Refuses stages without layers."""
    if depth < stages:
        raise ValueError(
            f"depth must be at least the number of stages. Received: depth={depth}, stages={stages}"
        )


def check_integers(arguments, minimum):
    """Refuses arguments, given by their names, that are not integers of at least `minimum`."""
    for name, value in arguments.items():
        integer(value, name, minimum)
