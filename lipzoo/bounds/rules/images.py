"""Between which numbers an activation of known slopes takes an interval.

From the value at 0 the slopes lead to any other: with slopes in [a, b],

    s(0) + a z⁺ + b z⁻ <= s(z) <= s(0) + b z⁺ + a z⁻,     z = z⁺ + z⁻ the parts of either sign,

and what is known of a function's values as a whole cuts off the rest.
"""

import math

import numpy as np

from lipzoo import activations
from lipzoo.rounding import Interval

_FREE = (-math.inf, math.inf)
# Bounds of all values: closed forms, or the value at the only minimum, rounded outwards.
_VALUES = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softplus": (0.0, math.inf),
    "squareplus": (0.0, math.inf),
    "softsign": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "elu": (-1.0, math.inf),
    "celu": (-1.0, math.inf),
    "selu": (-1.7581, math.inf),
    "silu": (-0.27847, math.inf),
    "gelu": (-0.16998, math.inf),
    "gelu_approximate": (-0.17005, math.inf),
    "mish": (-0.30885, math.inf),
    "hard_sigmoid": (0.0, 1.0),
    "hard_silu": (-0.37501, math.inf),
    "log_sigmoid": (-math.inf, 0.0),
    "sparse_plus": (0.0, math.inf),
    "sparse_sigmoid": (0.0, 1.0),
}
# z times a factor in [0, 1].
_AT_MOST_RELU = ("relu", "relu6", "silu", "gelu", "gelu_approximate", "mish", "hard_silu")


def image_of_slopes(values: Interval, slopes: tuple[float, float], at_zero=0.0) -> Interval:
    """Where a function with slopes in an interval takes numbers in intervals.

    Example:
        >>> image = image_of_slopes(Interval.between(-2.0, 1.0), (0.0, 1.0))
        >>> round(float(image.low), 9), round(float(image.high), 9)
        (-2.0, 1.0)
    """
    least, most = (Interval.of(slope) for slope in slopes)
    positive, negative = values.clip(0.0, math.inf), values.clip(-math.inf, 0.0)
    low = positive * least + negative * most
    high = positive * most + negative * least
    # The two ends of z are not those of the sums of its parts: an interval holds both parts.
    return Interval.of(at_zero) + Interval(low.low, high.high)


def image_of_activation(name: str, values: Interval) -> Interval:
    """Where an activation of `lipzoo.activations.bounded()` takes numbers in intervals.

    Example:
        >>> image = image_of_activation("sigmoid", Interval.between(-9.0, 9.0))
        >>> float(image.low), float(image.high)
        (0.0, 1.0)
    """
    activation = activations.slopes_of(name)
    if activation.name == "linear":
        return values
    if activation.name == "relu":
        return values.clip(0.0, math.inf)
    slopes = activation.lower, activation.upper
    image = image_of_slopes(values, slopes, activation.at_zero)
    if activation.name in _AT_MOST_RELU:
        image = Interval(image.low, np.minimum(image.high, np.maximum(values.high, 0.0)))
    return image.clip(*_VALUES.get(activation.name, _FREE))
