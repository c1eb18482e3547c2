"""The constraint that keeps every entry of a weight below a bound."""

import keras
from keras import ops

from lipzoo.constraints._kernel import checked_bound


@keras.saving.register_keras_serializable(package="lipzoo")
class MaxModulus(keras.constraints.Constraint):
    """Clips every entry of a weight to `[-bound, bound]`.

    For weights that multiply entries, a diagonal matrix: its norm is the largest modulus. Nothing
    is rounded but `bound` to the weight's type.

    Args:
        bound: largest modulus, a positive finite float.

    Raises:
        ValueError: if `bound` is not in [1e-30, 1e30].

    Example:

    >>> import numpy as np
    >>> keras.ops.convert_to_numpy(MaxModulus(1.0)(np.array([-3.0, 0.5]))).tolist()
    [-1.0, 0.5]
    """

    def __init__(self, bound=1.0):
        self.bound = checked_bound(bound)

    def __call__(self, w):
        return ops.clip(w, -self.bound, self.bound)

    def get_config(self):
        return {"bound": self.bound}
