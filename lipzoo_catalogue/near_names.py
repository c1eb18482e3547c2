"""What a name that is not there may have meant."""

import difflib
from collections.abc import Iterable


def near_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Returns the known names that contain `name`, or else those that are spelled alike.

    Args:
        name: what was typed.
        known: the names that there are, in the order in which they are preferred.
        count: at most so many are returned.

    Example:

    >>> near_names("fmnist", ["gradflow-digits", "gradflow-fmnist", "hamnet-fmnist"])
    ['gradflow-fmnist', 'hamnet-fmnist']
    >>> near_names("certfy", ["certify", "verify"], 1)
    ['certify']
    """
    known = list(known)
    # A single letter is part of most names.
    parts = [one for one in known if len(name) > 2 and name in one]
    return (parts or difflib.get_close_matches(name, known, n=count, cutoff=0.5))[:count]


def did_you_mean(name: str, known: Iterable[str], count: int = 3) -> str:
    """A sentence that names them, or an empty text where there are none.

    Example:

    >>> did_you_mean("fmnist", ["gradflow-fmnist", "hamnet-fmnist"])
    "Did you mean 'gradflow-fmnist' or 'hamnet-fmnist'?"
    """
    near = near_names(name, known, count)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else ""
