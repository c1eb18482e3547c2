"""Activations whose slopes are known to lie in an interval.

A gradient-flow layer is non-expansive because its activation is non-decreasing and no steeper than
a known number. Both facts are stated here, once, for every activation that lipzoo accepts.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from lipzoo.float64 import keeps_float64
from lipzoo.rounding import unit_roundoff

LEAKY_SLOPE = 0.2

_SINGLE = unit_roundoff("float32")


@dataclass(frozen=True)
class Activation:
    """A scalar function σ with `lower <= (σ(a) - σ(b)) / (a - b) <= upper` for all a ≠ b.

    Attributes:
        name: the name under which `get` returns it.
        function: σ, applied elementwise to a tensor.
        lower: a proven lower bound of the slope; non-negative means non-decreasing.
        upper: a proven upper bound of the slope.
        at_zero: σ(0).
        homogeneous: whether σ(cz) = c σ(z) for every c > 0.
        error_units: (a, b) with |fl(σ)(z) - σ(z)| <= u (a |z| + b) in arithmetic of unit roundoff
            u, for elementary functions accurate to 6u, erf to 10u (of XLA's in float32 tanh errs by
            4.84u, erf by 6.71u).
    """

    name: str
    function: Callable
    lower: float
    upper: float
    at_zero: float = 0.0
    homogeneous: bool = False
    error_units: tuple[float, float] = (0.0, 0.0)

    @property
    def lipschitz(self) -> float:
        """The Lipschitz constant, `max(|lower|, |upper|)`."""
        return max(abs(self.lower), abs(self.upper))

    def __call__(self, inputs, gain=1.0):
        """Returns `σ(gain · inputs) / gain`, which has the slope interval of σ.

        The slope at z is that of σ at `gain · z`, whatever the gain, so a gain may be trained: a
        tensor that broadcasts to the inputs, without zeros.
        """
        if self.homogeneous or _is_one(gain):
            return self.function(inputs)
        return self.function(inputs * gain) / gain

    def rounding(self, unit: float, gain=1.0) -> tuple[float, float]:
        """Returns (slope, offset) with `|fl(σ_c)(z) - σ_c(z)| <= slope |z| + offset` for gain c.

        With a gain, c and c z are rounded before σ, which changes its argument by `2u |c z|`, and
        the quotient after it, by at most `2u (β |c z| + |σ(0)|) / c`. With an array of gains the
        bound holds for each of them. Where the backend computes σ in float32 whatever it is given,
        u is that of float32, and the argument is rounded as well.
        """
        relative, absolute = self.error_units
        if unit < _SINGLE and not keeps_float64(self.function):
            unit = _SINGLE
            relative += 1.01 * self.lipschitz
        if self.homogeneous or _is_one(gain):
            return unit * relative, unit * absolute
        relative += 4 * self.lipschitz
        absolute += 2 * abs(self.at_zero)
        smallest = float(np.abs(gain).min())
        return 1.001 * unit * relative, 1.001 * unit * absolute / smallest


def _is_one(gain):
    return isinstance(gain, float) and gain == 1.0


def _leaky_relu(inputs):
    return ops.leaky_relu(inputs, negative_slope=LEAKY_SLOPE)


def _squareplus(inputs):
    return ops.squareplus(inputs, b=4.0)


# Functions that compare and copy are exact. ELU may be computed as exp(z) - 1, which loses relative
# accuracy near 0; likewise squareplus at large negative z.
#
# GELU and SiLU decrease somewhere, so they are not gradients of convex potentials. Their slopes
# have the closed forms Φ(z) + zφ(z) and s(z)(1 + z(1 - s(z))), extremal at z = ±√2 and
# z = ±2.3994: the numbers below are those extrema, rounded outwards.
_KNOWN = (
    Activation("linear", lambda inputs: inputs, 1.0, 1.0, homogeneous=True),
    Activation("relu", ops.relu, 0.0, 1.0, homogeneous=True),
    Activation(
        "leaky_relu", _leaky_relu, LEAKY_SLOPE, 1.0, homogeneous=True, error_units=(2.0, 0.0)
    ),
    Activation("tanh", ops.tanh, 0.0, 1.0, error_units=(6.0, 0.0)),
    Activation(
        "softplus", ops.softplus, 0.0, 1.0, at_zero=0.6931471805599454, error_units=(12.0, 9.0)
    ),
    Activation("squareplus", _squareplus, 0.0, 1.0, at_zero=1.0, error_units=(10.0, 20.0)),
    Activation("softsign", ops.softsign, 0.0, 1.0, error_units=(4.0, 0.0)),
    Activation("sigmoid", ops.sigmoid, 0.0, 0.25, at_zero=0.5, error_units=(2.0, 4.0)),
    Activation("hard_tanh", ops.hard_tanh, 0.0, 1.0),
    Activation("relu6", ops.relu6, 0.0, 1.0),
    Activation("elu", ops.elu, 0.0, 1.0, error_units=(8.0, 8.0)),
    Activation("silu", ops.silu, -0.09984, 1.09984, error_units=(12.0, 0.0)),
    Activation(
        "gelu",
        lambda inputs: ops.gelu(inputs, approximate=False),
        -0.12905,
        1.12905,
        error_units=(12.0, 0.0),
    ),
)
_BY_NAME = {activation.name: activation for activation in _KNOWN}

# Functions of Keras that are bounded where a model has them, and that no layer of lipzoo offers.
# Closed forms of the slopes: SELU is steepest just below 0, where its slope is its two constants'
# product; hard SiLU has (2z + 3) / 6 between its kinks; approximate GELU and mish are extremal
# where the second derivative vanishes (at z = ±1.42, 1.49 and -2.26), rounded outwards.
_BOUNDED = (
    Activation("hard_sigmoid", ops.hard_sigmoid, 0.0, 0.16666668, 0.5, error_units=(2.0, 4.0)),
    Activation("hard_silu", ops.hard_silu, -0.5, 1.5, error_units=(12.0, 0.0)),
    Activation("selu", ops.selu, 0.0, 1.7580995, error_units=(16.0, 16.0)),
    Activation("celu", ops.celu, 0.0, 1.0, error_units=(8.0, 8.0)),
    Activation(
        "gelu_approximate",
        lambda inputs: ops.gelu(inputs, approximate=True),
        -0.12900,
        1.12900,
        error_units=(16.0, 0.0),
    ),
    Activation("mish", keras.activations.mish, -0.11253, 1.0885, error_units=(60.0, 0.0)),
    Activation(
        "log_sigmoid", ops.log_sigmoid, 0.0, 1.0, -0.6931471805599454, error_units=(12.0, 9.0)
    ),
    Activation("soft_shrink", ops.soft_shrink, 0.0, 1.0, error_units=(2.0, 2.0)),
    Activation("tanh_shrink", ops.tanh_shrink, 0.0, 1.0, error_units=(8.0, 0.0)),
    Activation("sparse_plus", ops.sparse_plus, 0.0, 1.0, 0.25, error_units=(4.0, 4.0)),
    Activation("sparse_sigmoid", ops.sparse_sigmoid, 0.0, 0.5, 0.5, error_units=(2.0, 2.0)),
)
_BOUNDED_BY_NAME = _BY_NAME | {activation.name: activation for activation in _BOUNDED}

# Functions of Keras without a slope, and why.
_JUMPS = {
    "hard_shrink": "it jumps at its threshold: soft_shrink does not",
    "threshold": "it jumps at its threshold: relu does not",
    "exponential": "its slope is as large as its value",
    "glu": "a product of two halves of its input has no bounded slope",
}


def known() -> list[str]:
    """Returns the names that `get` accepts.

    >>> "relu" in known()
    True
    """
    return sorted(_BY_NAME)


def get(identifier) -> Activation:
    """Returns the activation with its slope interval.

    Args:
        identifier: a name from `known()`, what `get` returned, or the Keras function of that name.

    Raises:
        ValueError: if the slope interval is not known.

    >>> get("tanh").upper
    1.0
    >>> get("sigmoid").upper
    0.25
    """
    if isinstance(identifier, Activation) and _BY_NAME.get(identifier.name) is identifier:
        return identifier
    name: Any = "linear" if identifier is None else identifier
    if callable(name) and hasattr(name, "__name__"):
        # Keras hands its own functions around; only those are known under their names.
        name = name.__name__ if getattr(keras.activations, name.__name__, None) is name else name
    if isinstance(name, str):
        name = name.lower()
        if name in _BY_NAME:
            return _BY_NAME[name]
    near = difflib.get_close_matches(str(name), known(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        "activation must have a known slope interval: one of "
        f"{', '.join(known())}.{hint} Received: activation={identifier!r}"
    )


def bounded() -> list[str]:
    """Returns the names that `slopes_of` accepts.

    >>> "mish" in bounded(), "mish" in known()
    (True, False)
    """
    return sorted(_BOUNDED_BY_NAME)


def slopes_of(identifier) -> Activation:
    """Returns an activation of a Keras model with its slope interval.

    Beside what `get` knows, this is what Keras has and no layer of lipzoo offers.

    Args:
        identifier: a name from `bounded()`, or the Keras function of that name.

    Raises:
        ValueError: if the slope interval is not known, or there is none.

    >>> slopes_of("hard_silu").upper
    1.5
    """
    name = getattr(identifier, "__name__", identifier)
    is_known = isinstance(name, str) and (
        name is identifier or getattr(keras.activations, name, None) is identifier
    )
    if is_known and name in _BOUNDED_BY_NAME:
        return _BOUNDED_BY_NAME[name]
    if is_known and name in _JUMPS:
        raise ValueError(f"{name} is not Lipschitz: {_JUMPS[name]}.")
    return get(identifier)


def get_monotone(identifier) -> Activation:
    """Returns an activation that may drive a gradient flow: non-decreasing with a bounded slope.

    Raises:
        ValueError: if the activation is unknown or decreases somewhere.

    >>> get_monotone("relu").lower
    0.0
    """
    activation = get(identifier)
    if activation.lower < 0:
        monotone = ", ".join(name for name in known() if _BY_NAME[name].lower >= 0)
        raise ValueError(
            "The gradient of a convex potential needs a non-decreasing activation: one of "
            f"{monotone}. Received: activation={activation.name!r} with slopes in "
            f"[{activation.lower}, {activation.upper}]"
        )
    return activation
