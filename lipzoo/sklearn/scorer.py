"""Certified scores for searches and cross-validation."""

from dataclasses import dataclass

from lipzoo.validation import finite_number


@dataclass(frozen=True)
class certified_scorer:
    """A scorer for `GridSearchCV` and `cross_val_score`: `estimator.score(X, y, epsilon=epsilon)`.

    The share of correct predictions that no perturbation up to ε changes, or the R² that is left in
    the worst case.

    Args:
        epsilon: l2 radius in the units of X, finite and at least 0.
        scaled: whether it is in the units of scaled features, for a `CertifiedPipeline`.

    Raises:
        ValueError: for any other radius.

    Example:
        >>> from sklearn.datasets import make_blobs
        >>> from sklearn.model_selection import cross_val_score
        >>> from lipzoo.sklearn import CertifiedClassifier, certified_scorer
        >>> X, y = make_blobs(60, centers=[[0, 0], [9, 9]], random_state=0)
        >>> classifier = CertifiedClassifier(width=4, depth=1, epochs=5, random_state=0)
        >>> cross_val_score(classifier, X, y, cv=2, scoring=certified_scorer(0.5)).shape
        (2,)
    """

    epsilon: float
    scaled: bool = False

    def __post_init__(self):
        finite_number(self.epsilon, "epsilon")

    def __call__(self, estimator, X, y) -> float:
        """The certified score of a fitted estimator."""
        options = {"scaled": True} if self.scaled else {}
        return estimator.score(X, y, epsilon=self.epsilon, **options)
