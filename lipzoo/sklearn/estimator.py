"""What the estimators of gradient flows have in common."""

from collections.abc import Callable

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from lipzoo.sklearn.network import fitted

# Rows that a network is asked about at a time.
BATCH = 1024


class NetworkEstimator(BaseEstimator):
    """An estimator with a network, trained as `epochs`, `batch_size`, `learning_rate` say."""

    def _trained(
        self,
        build: Callable[[], keras.Model],
        loss: keras.losses.Loss,
        x: np.ndarray,
        y: np.ndarray,
    ) -> keras.Model:
        return fitted(
            build,
            loss,
            x,
            y,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            verbose=self.verbose,
        )

    def _checked(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=["float64", "float32"], reset=False)
