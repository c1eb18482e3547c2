r"""Scalers of scikit-learn: how far their output can move, rounding counted.

A scaler maps every feature alone, `t(x)_i = a_i x_i + c_i`, in a few operations of the type of its
output. With ρ for what these may err by, relative to `s_i(x) = |a_i x_i| + |c_i|`, two computed
outputs are at most

    ||fl(t)(x') - fl(t)(x)|| <= A ||x' - x|| + ρ (||s(x)|| + ||s(x')||),    A = max_i |a_i|,
    ||s(x')|| <= ||s(x)|| + A ||x' - x||

apart.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from lipzoo.rounding import gamma, inflated, norm_up

KNOWN = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)
# A constant rounded to the type, a sum, a rounding to the type, a quotient or product, another.
_ROUNDINGS = 6


@dataclass(frozen=True)
class Scaling:
    """One scaler at some inputs.

    Args:
        slope: A.
        spread: upper bounds of `||s(x)||`, one per example.
        unit: ρ.
    """

    slope: float
    spread: np.ndarray
    unit: float

    def moved(self, distance: np.ndarray) -> np.ndarray:
        """How far outputs can be apart, for inputs at most `distance` apart, one per example."""
        return self.rounded(inflated(self.slope * distance, operations=1))

    def rounded(self, distance: np.ndarray) -> np.ndarray:
        """How far computed outputs can be apart, for exact ones at most `distance` apart."""
        return inflated(distance + self.unit * (2 * self.spread + distance), operations=5)


def scaling(scaler, x, output) -> Scaling:
    """What is proven of a fitted scaler at some inputs.

    Args:
        scaler: a fitted one of `KNOWN`.
        x: its input.
        output: what it returned.

    Raises:
        ValueError: for a scaler that was fitted to something else than numbers.
    """
    slopes, offsets = _affine(scaler, np.shape(x)[1])
    values = np.abs(np.asarray(x, "float64"))
    dtype = np.asarray(output).dtype.name
    spread = inflated(norm_up(values * slopes + offsets, axis=1), operations=3)
    return Scaling(float(slopes.max()), spread, gamma(_ROUNDINGS, dtype))


def _affine(scaler, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Upper bounds of `|a|` and of `|c|`, per feature."""
    ones, zeros = np.ones(features), np.zeros(features)
    if isinstance(scaler, MinMaxScaler):
        # Clipping, where it is asked for, moves nothing further apart.
        return np.abs(scaler.scale_), np.abs(scaler.min_)
    # Transforming looks at the parameters as they are, not as they were when it was fitted.
    divides, shifts, shift = True, False, zeros
    if isinstance(scaler, StandardScaler):
        divides, shifts, shift = scaler.with_std, scaler.with_mean, scaler.mean_
    elif isinstance(scaler, RobustScaler):
        divides, shifts, shift = scaler.with_scaling, scaler.with_centering, scaler.center_
    scale = np.abs(scaler.scale_) if divides else ones
    shift = np.abs(shift) if shifts else zeros
    return inflated(1 / scale, operations=1), inflated(shift / scale, operations=1)
