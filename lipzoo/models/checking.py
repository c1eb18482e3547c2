"""Checks of arguments that the builders share."""

from lipzoo.validation import integer


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
