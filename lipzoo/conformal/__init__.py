"""Prediction sets and intervals that keep their coverage under every small perturbation.

Split conformal prediction turns a model and held-out examples into sets that contain the true
class with probability at least 1 - α, if calibration and test data are exchangeable. An attack
breaks that; a proven Lipschitz bound mends it: a score that cannot move by more than ε while the
input does needs a threshold that is larger by ε, and nothing else.
"""

from lipzoo.conformal.classification import ConformalClassifier, calibrate
from lipzoo.conformal.prediction_intervals import PredictionIntervals
from lipzoo.conformal.prediction_sets import PredictionSets
from lipzoo.conformal.regression import ConformalRegressor, calibrate_regression

__all__ = [
    "ConformalClassifier",
    "ConformalRegressor",
    "PredictionIntervals",
    "PredictionSets",
    "calibrate",
    "calibrate_regression",
]
