"""Radii in other norms than the Euclidean one, by the inequalities between norms."""

import math

import numpy as np

NORMS = ("l1", "l2", "linf")


def check_norm(norm) -> str:
    """Returns the name of a norm.

    Raises:
        ValueError: for any other name.
    """
    if norm not in NORMS:
        raise ValueError(f"Expected norm to be one of {', '.join(NORMS)}. Received: norm={norm!r}")
    return norm


def one_step_down(values) -> np.ndarray:
    """The next smaller floats of numbers of at least 0: a result rounded to nearest, downwards.

    Example:
        >>> one_step_down(np.array([0.0, 1.0, np.inf])).tolist()
        [0.0, 0.9999999999999999, inf]
    """
    return np.where(np.isinf(values), values, np.nextafter(values, 0.0))


def convert_radius(radius: np.ndarray, norm: str, input_size: int) -> np.ndarray:
    """The largest radius in a norm whose ball lies in the Euclidean ball of a given radius.

        ||v||_2 <= ||v||_1            the l1 radius is the l2 radius r
        ||v||_2 <= sqrt(d) ||v||_inf  the l-infinity radius is r / sqrt(d)

    for v of d entries. Both are attained, by a unit vector and by a vector of equal entries: no
    larger ball fits. The division is rounded downwards, so what is proven stays proven.

    Args:
        radius: Euclidean radii.
        norm: `"l1"`, `"l2"` or `"linf"`.
        input_size: d.

    Returns:
        An array of the shape of `radius`.

    Raises:
        ValueError: for an unknown norm.

    Example:
        >>> float(convert_radius(np.array(1.0), "linf", 784)) <= 1 / 28
        True
    """
    if check_norm(norm) != "linf":
        return np.array(radius)
    # At least the root, which is rounded correctly.
    root = np.nextafter(math.sqrt(input_size), math.inf)
    return one_step_down(radius / root)


def feature_radii(radius, deviation, names, input_size: int) -> dict[str, np.ndarray]:
    """How far each feature of a table alone may move in its own units: `radius · deviation`.

    Args:
        radius: Euclidean radii in standard deviations, shape `(examples,)`.
        deviation: standard deviation of every feature; `None` where radii are not in those.
        names: names of the features, or none.
        input_size: number of entries of an input; more than features in sequences and images, for
            which there are no such radii.

    Returns:
        Radii by the features' names, rounded downwards.
    """
    if deviation is None or len(deviation) != input_size:
        return {}
    names = names or [f"feature {i}" for i in range(len(deviation))]
    return {
        name: one_step_down(radius * each)
        for name, each in zip(names, one_step_down(deviation), strict=True)
    }
