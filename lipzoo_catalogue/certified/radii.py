"""Radii that a user gives, and how many examples have larger ones."""

import numpy as np
import numpy.typing as npt


def check_radii(epsilon: npt.ArrayLike, name: str = "epsilon") -> np.ndarray:
    """A radius, or several, as a float64 array.

    Raises:
        ValueError: for anything but finite numbers of at least 0.
    """
    try:
        radii = np.asarray(epsilon)
    except ValueError:
        radii = np.asarray(None)
    if radii.dtype.kind not in "iuf" or not np.all((radii >= 0) & np.isfinite(radii)):
        raise ValueError(
            f"Expected {name} to be one or several finite numbers of at least 0. "
            f"Received: {name}={epsilon!r}"
        )
    return radii.astype("float64")


def count_above(counted: np.ndarray, radii: npt.ArrayLike) -> np.ndarray:
    """How many of some examples' radii are above each of some given ones, in float64; NaN is not.

    Example:
        >>> count_above(np.array([0.1, 0.2, 0.3]), [0.1, 0.25]).tolist()
        [2, 1]
    """
    radii = np.asarray(radii, "float64")
    if radii.ndim == 0:
        # Of a single one without a sort, which takes time and memory for millions.
        return np.asarray(np.count_nonzero(counted > radii))
    known = np.sort(counted[~np.isnan(counted)]).astype("float64")
    return np.asarray(len(known) - np.searchsorted(known, radii, side="right"))


def accuracy_above(radius: np.ndarray, correct: np.ndarray, radii: npt.ArrayLike) -> np.ndarray:
    """Share of the correct ones among the examples whose radius is above each of some given ones.

    Args:
        radius: radius of every example.
        correct: whether it is classified correctly.
        radii: the given ones, of any shape.

    Returns:
        An array of that shape; NaN where no radius is above.

    Example:
        >>> accuracy_above(np.array([0.1, 0.2]), np.array([False, True]), [0.0, 0.15, 0.2]).tolist()
        [0.5, 1.0, nan]
    """
    kept = count_above(radius, radii)
    return count_above(radius[correct], radii) / np.where(kept > 0, kept, np.nan)
