"""What parts of certified examples have in common: settings, and the radii that are counted at."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lipzoo_catalogue.certified.radii import check_radii
from lipzoo_catalogue.certified.summary import SHOWN_EPSILONS


def check_settings(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuses a part of other settings.

    Raises:
        ValueError: naming those that differ.
    """
    keys = sorted(expected.keys() | found.keys())
    differing = [key for key in keys if expected.get(key) != found.get(key)]
    if differing:
        wanted, received = (
            ", ".join(f"{key}={values.get(key)!r}" for key in differing)
            for values in (expected, found)
        )
        raise ValueError(f"Expected a part with {wanted}. Received: {received}")


def check_epsilons(epsilons: Sequence[float] | None, norm: str) -> tuple[float, ...]:
    """Radii to count at, ascending and each once; `None`: those that a certificate prints.

    Raises:
        ValueError: if one is no finite number of at least 0.
    """
    radii = SHOWN_EPSILONS[norm] if epsilons is None else epsilons
    return tuple(np.unique(check_radii(radii, "epsilons")).tolist())
