"""Calibrates intervals of predicted numbers that keep their coverage under attack."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from lipzoo.certificates.regression import certify_regression
from lipzoo.conformal.prediction_intervals import PredictionIntervals
from lipzoo.conformal.quantile import conformal_quantile, exact_level
from lipzoo.conformal.scores import check_network, network_digest


@dataclass(frozen=True, eq=False)
class ConformalRegressor:
    """A model of numbers with a threshold from held-out examples; see `calibrate_regression`.

    Attributes:
        alpha: α, the share of examples whose true values intervals may miss.
        threshold: q, the half width of intervals at ε = 0, in the units of the output.
        examples: number of calibration examples.
        rounding: whether rounding errors are accounted for.
        standardized: whether perturbations are in standard deviations.
        model: the model.
        digest: hash of its weights when it was calibrated, which are checked at every prediction.
        method: of the bound.
    """

    alpha: float
    threshold: float
    examples: int
    rounding: bool
    standardized: bool
    model: keras.Model = field(repr=False, kw_only=True)
    digest: str = field(repr=False, kw_only=True)
    method: str = field(repr=False, kw_only=True)

    @property
    def guaranteed_coverage(self) -> float:
        """`1 - α`: the least probability with which intervals contain the true values."""
        return float(1 - exact_level(self.alpha))

    def predict_interval(
        self,
        x: Any,
        epsilon: Any = 0.0,
        *,
        batch_size: int = 256,
        verbose: int | str = "auto",
    ) -> PredictionIntervals:
        """Intervals of inputs that may have been perturbed by up to ε.

            [f_j(x') - L_j ε - q, f_j(x') + L_j ε + q],    ends rounded outwards, rounding counted

        Args:
            x: inputs as they are received: clean ones moved by at most `epsilon` in l2 norm.
            epsilon: ε, in the units of x (or standard deviations): one number or one per example,
                finite and at least 0.
            batch_size: batch size of the prediction, a positive integer.
            verbose: as in `keras.Model.predict`.

        Returns:
            `PredictionIntervals`.

        Raises:
            ValueError: if x does not fit the model, ε is negative or not finite, or the model's
                weights were changed since it was calibrated.
            TypeError: if x is not an array of numbers.
        """
        check_network(self.model, self.digest)
        reached = certify_regression(
            self.model,
            x,
            epsilon,
            standardized=self.standardized,
            batch_size=batch_size,
            rounding=self.rounding,
            method=self.method,
            verbose=verbose,
        )
        return PredictionIntervals(
            reached.prediction,
            np.nextafter(reached.lower - self.threshold, -np.inf),
            np.nextafter(reached.upper + self.threshold, np.inf),
            reached.radius,
            self.guaranteed_coverage,
            reached.units,
        )

    def __str__(self) -> str:
        """What is guaranteed, and from how many examples."""
        return (
            "intervals that contain the true values with probability at least "
            f"{100 * self.guaranteed_coverage:g} %, calibrated with {self.examples:,} examples"
        )


def calibrate_regression(
    model: keras.Model,
    x: Any,
    y: Any,
    alpha: float,
    *,
    standardized: bool = False,
    batch_size: int = 256,
    rounding: bool = True,
    method: str = "product",
    verbose: int | str = "auto",
) -> ConformalRegressor:
    r"""Calibrates intervals that contain the true values whatever an attack does.

    With the score `s(x, y) = max_j |y_j - f_j(x)|` and q the k-th smallest of `s(X_i, Y_i)`,
    `k = ceil((n + 1) (1 - α))`, over n calibration examples, the intervals

        C_j(x') = [f_j(x') - L_j ε - q, f_j(x') + L_j ε + q],

    L_j the proven bound of output j alone (see `lipzoo.certify_regression`), have

        P(Y_j ∈ C_j(X') for all j and every X' with ||X' - X||_2 <= ε) >= 1 - α

    if the calibration examples and `(X, Y)` are exchangeable: `s(X, Y) <= q` has at least that
    probability, and then `|Y_j - f_j(X')| <= |Y_j - f_j(X)| + |f_j(X) - f_j(X')| <= q + L_j ε`.
    Assumptions and rounding are those of `lipzoo.conformal.calibrate`: f is the network in exact
    arithmetic, its scores are taken from above, its values at x' from both sides. Several outputs
    share one q, so bring them to one scale; their intervals hold jointly.

    Args:
        model: built `keras.Model`, functional or sequential, with one output of shape
            `(batch, outputs)`.
        x: clean calibration examples.
        y: their true values, finite, of shape `(examples, outputs)`, or `(examples,)` of a single
            output.
        alpha: α, the share of examples that intervals may miss, between 0 and 1; taken as the
            decimal number that it is written as.
        standardized: whether perturbations are in standard deviations, see `calibrate`.
        batch_size: batch size of the prediction, a positive integer.
        rounding: whether to account for rounding errors.
        method: of the bound, see `lipzoo.lipschitz_bound`.
        verbose: as in `keras.Model.predict`.

    Returns:
        A `ConformalRegressor`, whose `predict_interval(x, epsilon)` returns the intervals.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: if there are fewer than `1 / α - 1` examples (the message says how many are
            needed), alpha is not between 0 and 1, and as in `lipzoo.certify_regression`.
        TypeError: if x or y are not arrays of numbers, or the model is none of Keras.

    Reference: arXiv 1604.04173; under attack by bounds of the score, arXiv 2405.18942.

    Example:
        >>> import keras, numpy as np, lipzoo
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(2.0)])
        >>> x = np.arange(9.0)[:, None]
        >>> y = 2 * x + np.linspace(0.0, 0.8, 9)[:, None]
        >>> conformal = lipzoo.conformal.calibrate_regression(model, x, y, 0.1, verbose=0)
        >>> intervals = conformal.predict_interval(np.array([[1.0]]), 0.25, verbose=0)
        >>> intervals.lower.round(3).tolist(), intervals.upper.round(3).tolist()
        ([[0.7]], [[3.3]])
    """
    level = exact_level(alpha)
    at_x = certify_regression(
        model,
        x,
        0.0,
        standardized=standardized,
        batch_size=batch_size,
        rounding=rounding,
        method=method,
        verbose=verbose,
    )
    scores = at_x.worst_error(y).max(axis=1)
    return ConformalRegressor(
        float(alpha),
        conformal_quantile(scores, level),
        len(scores),
        rounding,
        standardized,
        model=model,
        digest=network_digest(model),
        method=method,
    )
