"""Radii that a user gives."""

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
