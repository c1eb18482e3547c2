"""A regressor of tables with certified intervals, for scikit-learn."""

import keras
import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import (
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from lipzoo.bounds import lipschitz_bound
from lipzoo.certificates import RegressionCertificate, certify_regression
from lipzoo.certificates.prediction import predict
from lipzoo.constraints import SpectralBound
from lipzoo.models import GradFlowNet
from lipzoo.rounding import deflated, inflated
from lipzoo.sklearn.estimator import BATCH, NetworkEstimator
from lipzoo.validation import positive_number


class CertifiedRegressor(RegressorMixin, NetworkEstimator):
    r"""Gradient-flow network for tables, whose predicted number cannot move faster than a bound.

        |f(x') - f(x)| <= lipschitz · (standard deviation of y) · ||x' - x||_2

    1-Lipschitz gradient flows under a linear head of norm at most `lipschitz`, then the mean and
    standard deviation of the training targets. X is taken as it is; columns of unlike scales belong
    behind a scaler, in `make_certified_pipeline`.

    Args:
        width: neurons of each hidden layer.
        depth: number of hidden layers.
        lipschitz: the one knob: how many standard deviations of y a prediction may move while x
            moves by 1. The smaller, the narrower the intervals and the less can be fitted.
        epochs, batch_size, learning_rate, random_state, verbose: as in `CertifiedClassifier`.

    Attributes:
        model_: the `keras.Model`, in float64 where the backend computes in it.
        lipschitz_bound_: proven bound of the prediction, from the weights, in units of y per unit
            of X.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Raises:
        ValueError: in `fit`, for arguments out of range.

    Example:
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(80, 3))
        >>> y = X @ [1.0, -2.0, 0.5]
        >>> regressor = CertifiedRegressor(width=4, depth=1, epochs=5, random_state=0).fit(X, y)
        >>> bool(regressor.score(X, y, epsilon=0.1) < regressor.score(X, y))
        True
    """

    def __init__(
        self,
        width=64,
        depth=3,
        *,
        lipschitz=2.0,
        epochs=50,
        batch_size=128,
        learning_rate=5e-3,
        random_state=None,
        verbose=0,
    ):
        self.width = width
        self.depth = depth
        self.lipschitz = lipschitz
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y):
        """Trains the network on the mean squared error.

        Args:
            X: numbers of shape `(examples, features)`, an array or a data frame.
            y: a number per example.

        Returns:
            The estimator itself.
        """
        X, y = validate_data(self, X, y, dtype="float32", y_numeric=True)
        lipschitz = positive_number(self.lipschitz, "lipschitz")
        targets = np.asarray(y, "float64")
        mean, deviation = float(targets.mean()), float(targets.std()) or 1.0

        def build():
            body = GradFlowNet(
                (X.shape[1],),
                # Of the head that is left out.
                2,
                features=max(self.width, 2),
                dense_depth=self.depth,
                include_top=False,
                name="body",
            )
            head = keras.layers.Dense(1, kernel_constraint=SpectralBound(lipschitz), name="head")
            return keras.Model(body.inputs, head(body.output), name="certified_regressor")

        network = self._trained(
            build,
            keras.losses.MeanSquaredError(),
            X,
            ((targets - mean) / deviation).astype("float32")[:, None],
        )
        # The head takes the targets' scale: one linear layer, whose bound is exact.
        head = network.get_layer("head")
        kernel, bias = (np.asarray(w, "float64") for w in head.get_weights())
        head.set_weights([deviation * kernel, deviation * bias + mean])
        self.model_ = network
        self.lipschitz_bound_ = lipschitz_bound(network).value
        return self

    def predict(self, X):
        """The predicted number of every example.

        Args:
            X: as in `fit`.
        """
        X = self._checked(X)
        return predict(self.model_, X, BATCH)[:, 0].astype("float64")

    def certify(self, X, epsilon) -> RegressionCertificate:
        """The intervals that predictions keep within ε, see `lipzoo.certify_regression`.

        Args:
            X: as in `fit`.
            epsilon: l2 radius in the units of X, one number or one per example.
        """
        X = self._checked(X)
        return certify_regression(self.model_, X, epsilon, batch_size=BATCH, verbose=0)

    def certified_radius(self, X, tolerance):
        """Per example, the l2 radius within which the prediction moves by at most `tolerance`.

        In the units of X, rounding counted.

        Args:
            X: as in `fit`.
            tolerance: positive number in the units of y.
        """
        tolerance = positive_number(tolerance, "tolerance")
        slope = float(self.certify(X, 0.0).slopes[0])
        if slope == 0.0:
            return np.full(len(X), np.inf)
        # What rounding does within a smaller ball is no more than in this one.
        widest = tolerance / slope
        moved = self.certify(X, widest)
        centre = moved.prediction[:, 0].astype("float64")
        reached = np.maximum(moved.upper[:, 0] - centre, centre - moved.lower[:, 0])
        slack = np.maximum(inflated(reached, operations=1) - deflated(slope * widest, 1), 0.0)
        return np.maximum(deflated(np.nextafter(tolerance - slack, 0.0) / slope, 1), 0.0)

    def score(self, X, y, sample_weight=None, *, epsilon=None):
        """R², or what is left of it in the worst case: `1 - Σ worst² / Σ (y - mean)²`.

        Args:
            X: as in `fit`.
            y: true values.
            sample_weight: weights of the examples.
            epsilon: `None` for R²; or one radius, or one per example, in the units of X: no
                perturbation of that l2 norm brings R² below what is returned.

        Raises:
            ValueError: unless there is one value per example.
        """
        if epsilon is None:
            return super().score(X, y, sample_weight)
        y = column_or_1d(y).astype("float64")
        check_consistent_length(X, y, sample_weight)
        worst = self.certify(X, epsilon).worst_error(y)[:, 0]
        return float(r2_score(y, y - worst, sample_weight=sample_weight))
