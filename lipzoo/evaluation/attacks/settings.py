"""Checks and random states that the attacks share."""

import contextlib
import random as python_random

import keras
import numpy as np

from lipzoo.validation import integer
from lipzoo_catalogue.installing import how_to_install


def check_counts(attack, *names: str) -> None:
    """Refuses settings that are no positive integers.

    Raises:
        ValueError: naming the attack and the setting.
    """
    for name in names:
        try:
            integer(getattr(attack, name), name)
        except ValueError as error:
            raise ValueError(f"Attack {attack.name!r}: {error}") from None


def missing(attack, package: str, extra: str) -> ImportError:
    """The error for a library that is not installed."""
    return ImportError(
        f"Attack {attack.name!r} needs {package}, which is not installed: {how_to_install(extra)}"
    )


@contextlib.contextmanager
def global_seed(random: np.random.Generator):
    """Seeds the global random states that other libraries draw from.

    Python's and NumPy's are put back afterwards; the backend's stays seeded.
    """
    states = python_random.getstate(), np.random.get_state()  # noqa: NPY002
    keras.utils.set_random_seed(int(random.integers(2**31)))
    try:
        yield
    finally:
        python_random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
