"""Slopes of activations: the interval that they lie in, and where the largest one is reached."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Slopes:
    """What a bound needs to know of a scalar function σ.

    Attributes:
        lowest, highest: `lowest <= (σ(a) - σ(b)) / (a - b) <= highest` for all a ≠ b.
        at: z ↦ σ'(z) (at a kink the smaller one-sided slope). It rises to its largest value and
            falls from there, or does one of the two, so over an interval it is least at an end.
        steepest: a z at which σ' is `highest`, or very nearly.
    """

    lowest: float
    highest: float
    at: Callable[[np.ndarray], np.ndarray]
    steepest: float

    @property
    def lipschitz(self) -> float:
        """The Lipschitz constant of σ."""
        return max(-self.lowest, self.highest)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(z, -700, 700)))


def _sigmoid_slope(z: np.ndarray) -> np.ndarray:
    return _sigmoid(z) * _sigmoid(-z)


def _normal_density(z: np.ndarray) -> np.ndarray:
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _normal_distribution(t: float) -> float:
    return 0.5 * math.erfc(-t / math.sqrt(2))


def _gelu_slope(z: np.ndarray) -> np.ndarray:
    distribution = np.vectorize(_normal_distribution)(z)
    return distribution + z * _normal_density(z)


def _silu_slope(z: np.ndarray) -> np.ndarray:
    return _sigmoid(z) * (1 + z * _sigmoid(-z))


# The slope of x(1 - x)-like functions is extremal where the second derivative vanishes: at ±√2 for
# GELU and at ±2.39936 for SiLU. Those two are rounded outwards in the sixth digit.
_SLOPES = {
    "linear": Slopes(1.0, 1.0, np.ones_like, 0.0),
    "relu": Slopes(0.0, 1.0, lambda z: (z > 0).astype(float), 1.0),
    "relu6": Slopes(0.0, 1.0, lambda z: ((z > 0) & (z < 6)).astype(float), 3.0),
    "leaky_relu": Slopes(0.2, 1.0, lambda z: np.where(z > 0, 1.0, 0.2), 1.0),
    "hard_tanh": Slopes(0.0, 1.0, lambda z: (np.abs(z) < 1).astype(float), 0.0),
    "tanh": Slopes(0.0, 1.0, lambda z: 1 - np.tanh(z) ** 2, 0.0),
    "softsign": Slopes(0.0, 1.0, lambda z: (1 + np.abs(z)) ** -2, 0.0),
    "softplus": Slopes(0.0, 1.0, _sigmoid, 40.0),
    "squareplus": Slopes(0.0, 1.0, lambda z: 0.5 + z / (2 * np.sqrt(z * z + 4)), 1e8),
    "sigmoid": Slopes(0.0, 0.25, _sigmoid_slope, 0.0),
    "elu": Slopes(0.0, 1.0, lambda z: np.exp(np.minimum(z, 0.0)), 1.0),
    "silu": Slopes(-0.099840, 1.099840, _silu_slope, 2.39936),
    "gelu": Slopes(-0.128905, 1.128905, _gelu_slope, math.sqrt(2)),
}


def slopes_of(name: object) -> Slopes:
    """Returns the slopes of an activation; `None` is the identity.

    Raises:
        ValueError: for one that the checker does not know.

    >>> slopes_of("sigmoid").highest
    0.25
    """
    known = "linear" if name is None else name
    known = known.lower() if isinstance(known, str) else known
    if not isinstance(known, str) or known not in _SLOPES:
        raise ValueError(
            f"Expected an activation whose slopes the checker knows: {', '.join(sorted(_SLOPES))}. "
            f"Received: activation={name!r}"
        )
    return _SLOPES[known]


def monotone_slopes_of(name: object) -> Slopes:
    """Returns the slopes of an activation that may drive a gradient flow.

    Raises:
        ValueError: for one that the checker does not know, or that decreases somewhere.
    """
    slopes = slopes_of(name)
    if slopes.lowest < 0:
        raise ValueError(
            "A gradient flow has its bound from an activation that does not decrease. "
            f"Received: activation={name!r} with slopes in [{slopes.lowest}, {slopes.highest}]"
        )
    return slopes
