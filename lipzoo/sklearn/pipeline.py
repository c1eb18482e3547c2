"""Pipelines of scikit-learn in which scalers count in the radius."""

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.metaestimators import available_if

from lipzoo.certificates.inputs import check_radius
from lipzoo.rounding import deflated
from lipzoo.sklearn.scaling import KNOWN, scaling


def _certifies(pipeline) -> bool:
    return hasattr(pipeline.steps[-1][1], "certified_radius")


class CertifiedPipeline(Pipeline):
    """Scalers and a certified estimator, whose radii are in the units of what comes in.

    A `sklearn.pipeline.Pipeline` in every respect. Steps before the last are `StandardScaler`,
    `MinMaxScaler`, `MaxAbsScaler`, `RobustScaler` or `"passthrough"`; of others it is not known how
    far they carry two inputs apart, and they are refused when the pipeline is fitted. With A the
    largest factor of a scaler and r the radius of the scaled example, the radius is `r / A`, less
    what scaling rounds: true in all directions, and small where one feature has a far smaller scale
    than the others. `scaled=True` gives r itself.

    Made by `make_certified_pipeline`.
    """

    def fit(self, X, y=None, **params):
        """Fits the scalers and the estimator, see `sklearn.pipeline.Pipeline.fit`.

        Raises:
            ValueError: for a step that radii cannot be followed through.
        """
        self._check_scalers()
        return super().fit(X, y, **params)

    @available_if(_certifies)
    def certified_radius(self, X, *arguments, scaled=False):
        """Per example, the l2 radius within which the prediction cannot change.

        Args:
            X: as in `fit`.
            arguments: those of the estimator's own method: a regressor's `tolerance`.
            scaled: whether radii are in the units of the scaled features (standard deviations
                behind a `StandardScaler`) instead of those of X: ellipsoids around each example,
                in which feature i alone may move by the radius times the distance that is scaled to
                1: `scale_[i]`, but `1 / scale_[i]` of a `MinMaxScaler`.

        Raises:
            ValueError: for `scaled=True` behind several scalers, which may undo each other.
        """
        inputs, scalings = self._scaled(X)
        _check_single(scalings, scaled)
        radius = self.steps[-1][1].certified_radius(inputs, *arguments)
        # In units of X; with the largest factor, as far as an input may move at all.
        slope = _slope(scalings)
        with np.errstate(invalid="ignore"):
            ball = radius / slope
            slack = np.maximum(_moved(scalings, ball) - deflated(slope * ball, 1), 0.0)
            left = deflated(np.nextafter(radius - slack, 0.0), 1)
        left = np.where(np.isfinite(radius), np.maximum(left, 0.0), radius)
        return left if scaled else deflated(left / slope, 1)

    @available_if(_certifies)
    def score(self, X, y=None, sample_weight=None, *, epsilon=None, scaled=False, **params):
        """The estimator's score, or its certified score at a radius.

        Args:
            X: as in `fit`.
            y: the truth.
            sample_weight: weights of the examples.
            epsilon: `None`; or one radius, or one per example, in the units of X.
            scaled: whether radii are in the units of the scaled features, see `certified_radius`.
            params: see `sklearn.pipeline.Pipeline.score`.
        """
        if epsilon is None:
            return super().score(X, y, sample_weight, **params)
        inputs, scalings = self._scaled(X)
        _check_single(scalings, scaled)
        distance = check_radius(epsilon, "epsilon", len(inputs))
        for each in scalings:
            distance = each.rounded(distance) if scaled else each.moved(distance)
        return self.steps[-1][1].score(inputs, y, sample_weight, epsilon=distance)

    def _scaled(self, X):
        """The last step's input, and what is proven of every scaler at its own."""
        self._check_scalers()
        scalings = []
        for _, scaler in self._scalers():
            output = scaler.transform(X)
            scalings.append(scaling(scaler, X, output))
            X = output
        return X, scalings

    def _scalers(self):
        return [(name, step) for name, step in self.steps[:-1] if step not in (None, "passthrough")]

    def _check_scalers(self):
        for name, step in self._scalers():
            # A subclass may transform otherwise.
            if type(step) not in KNOWN:
                raise ValueError(
                    "Expected steps of which it is proven how far they carry two inputs apart: "
                    f"{', '.join(kind.__name__ for kind in KNOWN)} or 'passthrough'. Received: "
                    f"step {name!r} of class {type(step).__name__}. Apply it before the pipeline, "
                    "whose radii are then in the units of what it returns"
                )


def make_certified_pipeline(*steps, memory=None, transform_input=None, verbose=False):
    """Makes a `CertifiedPipeline` of scalers and a certified estimator, which are named by class.

    Args:
        steps: scalers, then the estimator.
        memory, transform_input, verbose: as in `sklearn.pipeline.make_pipeline`.

    Raises:
        ValueError: for a step that radii cannot be followed through.
        TypeError: if the last step has no certified radius.

    Example:
        >>> from sklearn.datasets import make_blobs
        >>> from sklearn.preprocessing import StandardScaler
        >>> from lipzoo.sklearn import CertifiedClassifier, make_certified_pipeline
        >>> X, y = make_blobs(60, centers=[[0, 0], [900, 900]], cluster_std=90, random_state=0)
        >>> classifier = CertifiedClassifier(width=4, depth=1, epochs=5, random_state=0)
        >>> pipeline = make_certified_pipeline(StandardScaler(), classifier).fit(X, y)
        >>> radius, scaled = (pipeline.certified_radius(X, scaled=s) for s in (False, True))
        >>> bool((radius > 100 * scaled).all())
        True
    """
    named = make_pipeline(*steps).steps
    if not steps or not hasattr(steps[-1], "certified_radius"):
        raise TypeError(
            "Expected a last step with certified radii, such as CertifiedClassifier. "
            f"Received: {steps[-1] if steps else 'no steps'!r}"
        )
    pipeline = CertifiedPipeline(
        named, memory=memory, transform_input=transform_input, verbose=verbose
    )
    pipeline._check_scalers()
    return pipeline


def _check_single(scalings, scaled: bool) -> None:
    if scaled and len(scalings) > 1:
        raise ValueError(
            "Expected a single scaler for radii in units of scaled features. "
            f"Received: {len(scalings)} scalers"
        )


def _slope(scalings) -> float:
    """Upper bound of the product of the largest factors."""
    slope = 1.0
    for each in scalings:
        slope = float(np.nextafter(slope * each.slope, np.inf))
    return slope


def _moved(scalings, distance):
    """How far the last step's inputs can be apart, for inputs at most `distance` apart."""
    for each in scalings:
        distance = each.moved(distance)
    return distance
