"""Predictions of certified accuracy on data without labels, from margins on data with labels.

`P_S` is a labelled source, `P_T` the unlabelled target, r(x) the certified radius of a prediction.
Sought is the target's certified accuracy `P_T(correct and r > ε)`. None of the predictions is a
bound but one, `floor`.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Radii:
    """Certified radii of predictions, and whether these are correct.

    Args:
        radius: shape `(n,)`, float.
        correct: shape `(n,)`, bool.
    """

    radius: np.ndarray
    correct: np.ndarray

    def certified_accuracy(self, epsilon: float) -> float:
        """`P(correct and r > ε)`."""
        return float(np.mean(self.correct & (self.radius > epsilon)))


def as_on_source(source: Radii, radius: np.ndarray, epsilon: float) -> float:
    """`P_S(correct and r > ε)`: the target is like the source."""
    return source.certified_accuracy(epsilon)


def share_above(source: Radii, radius: np.ndarray, epsilon: float) -> float:
    """`P_T(r > ε)`: all predictions with a radius above ε are correct. Never too low."""
    return float(np.mean(radius > epsilon))


def calibrated(source: Radii, radius: np.ndarray, epsilon: float) -> float:
    """`E_T[P_S(correct | r) 1(r > ε)]`: a prediction is as often correct as on the source.

    `P_S(correct | r)` is fitted by isotonic regression. Right where only the distribution of the
    radii changes (average confidence, with the radius for the confidence).
    """
    from sklearn.isotonic import IsotonicRegression

    fit = IsotonicRegression(y_min=0, y_max=1, increasing=True, out_of_bounds="clip")
    fit.fit(source.radius, source.correct)
    return float(np.mean(fit.predict(radius) * (radius > epsilon)))


def thresholded(source: Radii, radius: np.ndarray, epsilon: float) -> float:
    """`P_T(r > t)` with `P_S(r > t) = P_S(correct and r > ε)`.

    Average thresholded confidence (arXiv 2201.04234) with the radius for the confidence.
    """
    below = round(len(source.radius) * (1 - source.certified_accuracy(epsilon)))
    threshold = np.sort(source.radius)[below - 1] if below else -np.inf
    return float(np.mean(radius > threshold))


def floor(source: Radii, moved_by: np.ndarray, epsilon: float) -> float:
    """`P_S(correct and r > ε + ‖shift(x) - x‖)`: proven for the shifted examples of the source.

    The ball of radius ε around the shifted example lies in the certified ball around the example,
    so there the prediction is the same, and correct. For other examples of the same distribution
    it is as good as the sample.

    Args:
        source: radii of the examples before the shift.
        moved_by: how far the shift moves each of them, in the units of the radii.
        epsilon: radius.
    """
    return float(np.mean(source.correct & (source.radius > epsilon + moved_by)))


PREDICTORS = {
    "as on the source": as_on_source,
    "share above": share_above,
    "calibrated": calibrated,
    "thresholded": thresholded,
}


def predictions(source: Radii, radius: np.ndarray, epsilons) -> dict:
    """Every predictor at every ε: `{predictor: {ε: share}}`."""
    return {
        name: {str(epsilon): predict(source, radius, epsilon) for epsilon in epsilons}
        for name, predict in PREDICTORS.items()
    }
