"""Options of `lipzoo conformal` as numbers, checked before Keras is imported."""

import argparse
import math
from pathlib import Path

from lipzoo_catalogue.formatting import parse_fraction


def check_conformal_options(arguments: argparse.Namespace) -> tuple[float, float]:
    """Refuses options of `lipzoo conformal` that are out of range.

    Returns:
        The numbers of `--alpha` and `--epsilon`.

    Raises:
        ValueError: naming the option.
    """
    alpha = parse_fraction(arguments.alpha)
    if not 0 < alpha < 1:
        raise ValueError(f"--alpha: expected a number between 0 and 1. Received: {arguments.alpha}")
    epsilon = _not_negative(arguments.epsilon, "--epsilon")
    _check_out(arguments.out)
    return alpha, epsilon


def _not_negative(text: str, option: str) -> float:
    value = parse_fraction(text)
    if not 0 <= value < math.inf:
        raise ValueError(f"{option}: expected a finite number of at least 0. Received: {text}")
    return value


def _check_out(path: str | None) -> None:
    # NumPy is a tenth of a second that the help need not wait for.
    from lipzoo_catalogue.certified.writing import check_out

    if path is not None:
        check_out(Path(path), "--out")
