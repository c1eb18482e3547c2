"""A classifier of tables with certified radii, for scikit-learn."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from lipzoo.bounds import lipschitz_bound
from lipzoo.certificates import Certificate, certify
from lipzoo.certificates.inputs import check_radius
from lipzoo.certificates.prediction import predict
from lipzoo.losses import OffsetCrossEntropy
from lipzoo.models import GradFlowNet
from lipzoo.sklearn.estimator import BATCH, NetworkEstimator


def _states_probabilities(classifier) -> bool:
    """Whether the loss is the cross-entropy itself; the error is what a user reads."""
    if classifier.epsilon == 0:
        return True
    raise AttributeError(
        "Expected epsilon=0 for predict_proba: a classifier that is trained for margins "
        f"(epsilon={classifier.epsilon!r}) has scores that are no probabilities; "
        "sklearn.calibration.CalibratedClassifierCV makes some of its decision_function"
    )


class CertifiedClassifier(ClassifierMixin, NetworkEstimator):
    r"""Gradient-flow network for tables, every prediction of which has a certified radius.

    `lipzoo.GradFlowNet`: 1-Lipschitz by construction, trained with `lipzoo.OffsetCrossEntropy`,
    which asks every example for a radius of `epsilon`. X is taken as it is, and radii are in its
    units; columns of unlike scales belong behind a scaler, in `make_certified_pipeline`.

    Args:
        width: neurons of each hidden layer.
        depth: number of hidden layers.
        epsilon: radius that training asks for, in the units of X; 0 for the cross-entropy alone.
        temperature: of the softmax in the loss; small ones make training look at examples near the
            wanted radius.
        epochs: times that training goes through the table.
        batch_size: examples per step, at most an eighth of the table.
        learning_rate: of Adam at the beginning; it falls to a hundredth.
        random_state: seed of weights and orders, a `RandomState`, or `None`.
        verbose: as in `keras.Model.fit`, to which all epochs are one.

    Attributes:
        classes_: the classes.
        model_: the `keras.Model`, in float64 where the backend computes in it; `lipzoo.certify`,
            `lipzoo.export` and everything else take it.
        lipschitz_bound_: proven bound of its logits, from its weights.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Raises:
        ValueError: in `fit`, for a single class, and for arguments out of range.

    Example:
        >>> from sklearn.datasets import make_blobs
        >>> X, y = make_blobs(60, centers=[[0, 0], [9, 9]], random_state=0)
        >>> classifier = CertifiedClassifier(width=8, depth=1, random_state=0).fit(X, y)
        >>> classifier.score(X, y) > 0.9
        True
        >>> classifier.score(X, y, epsilon=0.5) <= classifier.score(X, y)
        True
    """

    def __init__(
        self,
        width=64,
        depth=3,
        *,
        epsilon=0.1,
        temperature=0.1,
        epochs=50,
        batch_size=128,
        learning_rate=5e-3,
        random_state=None,
        verbose=0,
    ):
        self.width = width
        self.depth = depth
        self.epsilon = epsilon
        self.temperature = temperature
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y):
        """Trains the network.

        Args:
            X: numbers of shape `(examples, features)`, an array or a data frame.
            y: classes, numbers or names.

        Returns:
            The estimator itself.
        """
        X, y = validate_data(self, X, y, dtype="float32")
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Expected at least two classes. Received: one class, {self.classes_[0]!r}"
            )
        classes = len(self.classes_)
        self.model_ = self._trained(
            lambda: GradFlowNet(
                (X.shape[1],),
                classes,
                features=max(self.width, classes),
                dense_depth=self.depth,
                name="certified_classifier",
            ),
            OffsetCrossEntropy(self.epsilon, self.temperature),
            X,
            numbers.astype("int32"),
        )
        self.lipschitz_bound_ = lipschitz_bound(self.model_).value
        return self

    def decision_function(self, X):
        """The logits; of two classes, how far the second is ahead of the first.

        Args:
            X: as in `fit`.

        Returns:
            Shape `(examples, classes)`, or `(examples,)` for two classes.
        """
        X = self._checked(X)
        logits = predict(self.model_, X, BATCH).astype("float64")
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict(self, X):
        """The class of every example.

        Args:
            X: as in `fit`.
        """
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[chosen]

    @available_if(_states_probabilities)
    def predict_proba(self, X):
        """Softmax of the logits over the temperature, which training fitted to the classes.

        Only with `epsilon=0`: otherwise the loss asked for margins, and scores say nothing about
        probabilities. For *sets* with a guaranteed probability see `lipzoo.conformal`.

        Args:
            X: as in `fit`.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.stack([np.zeros_like(scores), scores], axis=1)
        raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / self.temperature)
        return raised / raised.sum(axis=1, keepdims=True)

    def certify(self, X, y=None) -> Certificate:
        """The `lipzoo.Certificate` of some examples; its classes are numbers of `classes_`.

        Args:
            X: as in `fit`.
            y: classes, for accuracies.

        Raises:
            ValueError: for a class that is none of `classes_`.
        """
        X = self._checked(X)
        return certify(
            self.model_,
            X,
            None if y is None else self._numbers(y),
            batch_size=BATCH,
            verbose=0,
        )

    def certified_radius(self, X):
        """Per example, the l2 radius within which the prediction cannot change.

        In the units of X, rounding counted, see `lipzoo.certify`.

        Args:
            X: as in `fit`.
        """
        return self.certify(X).radius

    def score(self, X, y, sample_weight=None, *, epsilon=None):
        """Accuracy, or certified accuracy: the share of correct predictions that ε cannot change.

        Args:
            X: as in `fit`.
            y: true classes.
            sample_weight: weights of the examples.
            epsilon: `None` for the accuracy; or one radius, or one per example, in the units of X:
                no perturbation of that l2 norm brings the accuracy below what is returned.

        Raises:
            ValueError: unless there is one class per example.
        """
        if epsilon is None:
            return super().score(X, y, sample_weight)
        y = column_or_1d(y)
        check_consistent_length(X, y, sample_weight)
        certificate = self.certify(X)
        wanted = check_radius(epsilon, "epsilon", len(certificate))
        correct = self.classes_[certificate.prediction] == y
        kept = correct & (certificate.radius > wanted)
        return float(np.average(kept, weights=sample_weight))

    def _numbers(self, y):
        y = np.asarray(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"Expected classes among {self.classes_.tolist()}. Received: {unknown.tolist()}"
            )
        return np.searchsorted(self.classes_, y)
