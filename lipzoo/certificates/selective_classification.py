"""Statistics of predictions that are relied on only where their radius is large enough."""

import numpy as np

from lipzoo_catalogue.certified.radii import accuracy_above, count_above


def share_above(counted: np.ndarray, radii: np.ndarray, total: int):
    """How many of the `counted` radii are above each of some radii, as a share of `total`.

    Args:
        counted: radii of the examples that may count.
        radii: the radii to be above of; an array of any shape.
        total: number of examples.

    Returns:
        A float for an array without axes, otherwise an array.

    Example:
        >>> share_above(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.25]), 4).tolist()
        [0.5, 0.25]
    """
    return _plain(count_above(counted, radii) / total)


def selective_accuracy(radius, correct, radii: np.ndarray):
    """`accuracy_above`, as a float for an array without axes."""
    return _plain(accuracy_above(radius, correct, radii))


def _plain(shares):
    return float(shares) if np.ndim(shares) == 0 else shares


def class_number(value, classes: int, names: tuple[str, ...]) -> int:
    """The number of a class that is given as a number or by its name.

    Raises:
        ValueError: if there is no such class.
    """
    if isinstance(value, str) and value in names:
        return names.index(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        number = int(value)
        if 0 <= number < classes:
            return number
    known = f"a number from 0 to {classes - 1}"
    if names:
        known += f" or a name among {', '.join(names)}"
    raise ValueError(f"Expected positive to be {known}. Received: positive={value!r}")


def members(labels, outputs: int, names: tuple[str, ...], positive, of_positives: bool):
    """Which examples have the positive class of two, or the other one.

    Args:
        labels: true classes.
        outputs: number of logits; one logit is a binary classifier by its sign.
        names: names of the classes, or none.
        positive: the positive class, as a number or by its name.
        of_positives: whether the positive or the negative examples are asked for.

    Raises:
        ValueError: for more than two classes, an unknown class, or no such example.
    """
    if outputs > 2:
        raise ValueError(
            "Expected a classifier with two classes: sensitivity and specificity are about a "
            f"positive and a negative one. Received: {outputs} classes"
        )
    found = (labels == class_number(positive, 2, names)) == of_positives
    if not found.any():
        kind = "positive" if of_positives else "negative"
        raise ValueError(
            f"Expected labels with at least one {kind} example. "
            f"Received: {len(labels)} labels without, for positive={positive!r}"
        )
    return found
