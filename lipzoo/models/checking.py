"""Checks of arguments that the builders share."""


def check_shape(input_shape):
    """Refuses a shape that is not one of an image, a sequence or a table."""
    known = all(isinstance(size, int) and size > 0 for size in input_shape)
    if len(input_shape) not in (1, 2, 3) or not known:
        raise ValueError(
            "input_shape must be (height, width, channels), (length, channels) or (features,) "
            f"with positive integers. Received: input_shape={input_shape}"
        )


def check_classes(num_classes):
    """Refuses fewer than two classes."""
    if not isinstance(num_classes, int) or num_classes < 2:
        raise ValueError(
            f"num_classes must be an integer of at least 2. Received: num_classes={num_classes!r}"
        )


def check_choice(value, name, choices):
    """Refuses a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}. Received: {name}={value!r}")


def check_integers(arguments, minimum):
    """Refuses arguments, given by their names, that are not integers of at least `minimum`."""
    for name, value in arguments.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ValueError(
                f"{name} must be an integer of at least {minimum}. Received: {name}={value!r}"
            )
