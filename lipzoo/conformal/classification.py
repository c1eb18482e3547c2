"""Calibrates a classifier, so that its prediction sets keep their coverage under attack."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from lipzoo.certificates.certify import check_model
from lipzoo.certificates.forward_pass import Evaluation, evaluate
from lipzoo.certificates.inputs import check_inputs, check_labels, check_radius
from lipzoo.certificates.standardization import DEVIATIONS, standardization
from lipzoo.conformal.prediction_sets import PredictionSets
from lipzoo.conformal.quantile import conformal_quantile, exact_level, examples_needed
from lipzoo.conformal.scores import check_network, network_digest, pair_slopes, score_bounds
from lipzoo.validation import integer


@dataclass(frozen=True, eq=False)
class ConformalClassifier:
    """A classifier with thresholds from held-out examples; see `lipzoo.conformal.calibrate`.

    Attributes:
        alpha: α, the share of examples whose class sets may miss.
        thresholds: per class, the largest score with which it is in a set at ε = 0; in the units of
            the input. One number for all classes unless `class_conditional`.
        examples: number of calibration examples, per class if `class_conditional`.
        class_conditional: whether the coverage is guaranteed for each class alone.
        rounding: whether scores account for rounding errors.
        standardized: whether perturbations are in standard deviations.
        class_names: names of the classes, empty where the model has none.
        units: units of the input and so of ε, empty where the model states none.
        model: the model.
        digest: hash of its weights when it was calibrated, which are checked at every prediction.
        slopes: the Lipschitz bound of every difference of two logits that scores are relative to;
            shape `(classes, classes)`.
        method: of the bound.
    """

    alpha: float
    thresholds: np.ndarray
    examples: np.ndarray
    class_conditional: bool
    rounding: bool
    standardized: bool
    class_names: tuple[str, ...] = ()
    units: str = ""
    model: keras.Model = field(repr=False, kw_only=True)
    digest: str = field(repr=False, kw_only=True)
    slopes: np.ndarray = field(repr=False, kw_only=True)
    method: str = field(repr=False, kw_only=True)

    @property
    def guaranteed_coverage(self) -> float:
        """`1 - α`: the least probability with which a set contains the true class."""
        return float(1 - exact_level(self.alpha))

    def predict_set(
        self,
        x: Any,
        epsilon: Any = 0.0,
        *,
        batch_size: int = 256,
        verbose: int | str = "auto",
    ) -> PredictionSets:
        """Prediction sets of inputs that may have been perturbed by up to ε.

            C(x') = {y : s(x', y) - ε <= threshold_y},    s from below, its rounding counted

        Args:
            x: inputs as they are received: clean ones moved by at most `epsilon` in l2 norm, by
                whoever and however.
            epsilon: ε, in the units of x (or standard deviations): one number or one per example,
                finite and at least 0.
            batch_size: batch size of the prediction, a positive integer.
            verbose: as in `keras.Model.predict`.

        Returns:
            `PredictionSets`.

        Raises:
            ValueError: if x does not fit the model, ε is negative or not finite, or the model's
                weights were changed since it was calibrated.
            TypeError: if x is not an array of numbers.

        Example: see `lipzoo.conformal.calibrate`.
        """
        check_network(self.model, self.digest)
        found = _evaluated(
            self.model, x, batch_size, self.rounding, self.standardized, self.method, verbose
        )
        radii = check_radius(epsilon, "epsilon", len(found.logits))
        lower, _ = score_bounds(found, self.slopes, self.rounding)
        least = np.nextafter(lower - radii[:, None], -np.inf)
        logits = found.logits
        binary = logits.shape[1] == 1
        return PredictionSets(
            least <= self.thresholds,
            (logits[:, 0] > 0).astype("int64") if binary else logits.argmax(axis=1),
            radii,
            self.guaranteed_coverage,
            self.class_conditional,
            self.class_names,
            self.units,
        )

    def __str__(self) -> str:
        """What is guaranteed, and from how many examples."""
        per_class = " of every class" if self.class_conditional else ""
        least, most = int(self.examples.min()), int(self.examples.max())
        count = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        return (
            f"sets that contain the true class with probability at least "
            f"{100 * self.guaranteed_coverage:g} %{per_class}, calibrated with {count} examples"
            f"{per_class and ' each'}"
        )


def calibrate(
    model: keras.Model,
    x: Any,
    y: Any,
    alpha: float,
    *,
    class_conditional: bool = False,
    standardized: bool = False,
    batch_size: int = 256,
    rounding: bool = True,
    method: str = "product",
    verbose: int | str = "auto",
) -> ConformalClassifier:
    r"""Calibrates prediction sets that contain the true class whatever an attack does.

    Write `s(x, y) = max_{j ≠ y} (f_j(x) - f_y(x)) / L_yj` for the score of class y, L_yj a proven
    Lipschitz bound of `f_y - f_j`, from the weights as they are. It is 1-Lipschitz in x. From
    calibration examples `(X_1, Y_1) ... (X_n, Y_n)` take

        q = the k-th smallest of s(X_i, Y_i),    k = ceil((n + 1) (1 - α)),
        C(x') = {y : s(x', y) <= q + ε}.

    *Theorem.* If the calibration examples and a further `(X, Y)` are exchangeable (drawn
    independently from one distribution, say), then

        P(Y ∈ C(X') for every X' with ||X' - X||_2 <= ε) >= 1 - α.

    *Proof.* The n + 1 scores are exchangeable, as s is one function of an example; so
    `s(X, Y) <= q` with probability at least `k / (n + 1) >= 1 - α`. Whenever that is so, every X'
    has `s(X', Y) <= s(X, Y) + ε <= q + ε`, which says that Y is in `C(X')`. ∎

    X' may depend on everything: on the model, the calibration examples, X and Y. One calibration
    serves every ε. The probability is over calibration and test data together (*marginal*): for one
    calibration set the share of covered examples varies around it, as `Beta(k, n + 1 - k)` does at
    ε = 0. With `class_conditional=True` every class has a quantile of its own scores, and the
    statement holds given `Y = y`, for every y (*Mondrian*, or label-conditional).

    Rounding: s is the score of the network in exact arithmetic. What is computed are bounds,
    `s_low <= s <= s_up`, from the proven rounding error of the logits at the input they are
    computed at (`lipzoo.certify` says what that assumes; no error all over a ball is needed, since
    C is computed at X' itself). `s_up` is used in q and `s_low` in C: both make sets larger. With
    `rounding=False` computed logits are taken for the exact ones.

    What is assumed and cannot be checked: exchangeability; that calibration examples are clean; and
    that neither training nor a choice (of the model, of α) made use of them. Nothing is said about
    one example alone, nor about larger perturbations.

    Args:
        model: built `keras.Model`, functional or sequential, with logits as output; a single logit
            is a binary classifier by its sign.
        x: clean calibration examples, as in `lipzoo.certify`.
        y: their labels, as integers or one-hot.
        alpha: α, the share of examples whose class sets may miss, between 0 and 1; taken as the
            decimal number that it is written as.
        class_conditional: whether to guarantee the coverage for each class alone.
        standardized: whether perturbations are in standard deviations, for a model that begins by
            standardising its input: `||(X' - X) / deviation||_2 <= ε`.
        batch_size: batch size of the prediction, a positive integer.
        rounding: whether to account for rounding errors.
        method: of the bound, see `lipzoo.lipschitz_bound`.
        verbose: as in `keras.Model.predict`.

    Returns:
        A `ConformalClassifier`, whose `predict_set(x, epsilon)` returns the sets.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: if there are fewer than `1 / α - 1` examples, of a class if `class_conditional`
            (the message says how many are needed); if alpha is not between 0 and 1; and as in
            `lipzoo.certify`, for NaN among the data, say.
        TypeError: if x or y are not arrays of numbers, or the model is none of Keras.

    Reference: split conformal prediction, arXiv 2107.07511; under attack by Lipschitz bounds,
    arXiv 2506.05434 (Massena et al., ICML 2025), whose score is a function of one logit; by
    smoothing, Gendler et al., ICLR 2022, and arXiv 2404.19651.

    Example:
        >>> import keras, numpy as np, lipzoo
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
        >>> model.set_weights([np.eye(2)])
        >>> x = np.array([[float(i), 2.0] for i in range(9)])
        >>> conformal = lipzoo.conformal.calibrate(model, x, [0] * 5 + [1] * 4, 0.2, verbose=0)
        >>> sets = conformal.predict_set(np.array([[9.0, 0.0], [2.0, 2.0]]), 0.25, verbose=0)
        >>> sets.members.tolist()
        [[True, False], [True, True]]
    """
    check_model(model)
    level = exact_level(alpha)
    found = _evaluated(model, x, batch_size, rounding, standardized, method, verbose)
    outputs = found.logits.shape[1]
    labels = check_labels(y, len(found.logits), outputs)
    slopes = pair_slopes(found.bound, outputs)
    _, upper = score_bounds(found, slopes, rounding)
    scores = upper[np.arange(len(labels)), labels]
    config = getattr(model, "lipzoo_config", None)
    names = () if config is None else tuple(map(str, config.class_names))
    units = "" if config is None else str(config.preprocessing["scale"])
    if class_conditional:
        thresholds = _class_quantiles(scores, labels, len(slopes), names, level)
        examples = np.bincount(labels, minlength=len(slopes))
    else:
        thresholds = np.full(len(slopes), conformal_quantile(scores, level))
        examples = np.array([len(labels)])
    return ConformalClassifier(
        float(alpha),
        thresholds,
        examples,
        class_conditional,
        rounding,
        standardized,
        names,
        DEVIATIONS if standardized else units,
        model=model,
        digest=network_digest(model),
        slopes=slopes,
        method=method,
    )


def _evaluated(model, x, batch_size, rounding, standardized, method, verbose) -> Evaluation:
    arrays = check_inputs(model, x)
    return evaluate(
        model,
        arrays,
        isinstance(x, Mapping),
        integer(batch_size, "batch_size"),
        rounding,
        verbose,
        scale=standardization(model, method) if standardized else None,
        method=method,
    )


def _class_quantiles(scores, labels, classes: int, names, alpha: Fraction) -> np.ndarray:
    """The quantile of every class's own scores.

    Raises:
        ValueError: if a class has too few examples, or none; it names all of these.
    """
    counts, needed = np.bincount(labels, minlength=classes), examples_needed(alpha)
    short = [
        f"{counts[label]} of class {names[label] if names else label}"
        for label in np.flatnonzero(counts < needed)
    ]
    if short:
        raise ValueError(
            f"Expected at least {needed} calibration examples of every class for "
            f"alpha={float(alpha):g}, with class_conditional=True. Received: {', '.join(short)}"
        )
    return np.array(
        [conformal_quantile(scores[labels == label], alpha) for label in range(classes)]
    )
