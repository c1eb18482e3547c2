"""An operator that is known by its products alone, written out as a matrix."""

import keras
import numpy as np

# Numbers in a batch of unit vectors or of their images: 32 MiB in float64.
_AT_ONCE = 2**22


def written_out(operator) -> np.ndarray:
    """The matrix whose columns are what `operator.apply` makes of the unit vectors, in float64.

    Args:
        operator: with `input_shape`, `output_shape` and `apply`.

    Raises:
        ValueError: if `apply` returns another shape or something that is not finite, or differs on
            random vectors from the product with the matrix by more than rounding: it is not linear.

    Example:

    >>> from lipzoo.inverse import Matrix
    >>> written_out(Matrix([[1.0, 2.0]])).tolist()
    [[1.0, 2.0]]
    """
    inputs, outputs = operator.inputs, operator.outputs
    matrix = np.empty((outputs, inputs))
    at_once = max(1, _AT_ONCE // max(inputs, outputs))
    for first in range(0, inputs, at_once):
        count = min(at_once, inputs - first)
        units = np.zeros((count, inputs))
        units[np.arange(count), first + np.arange(count)] = 1.0
        matrix[:, first : first + count] = _applied(operator, units).T
    x = np.random.default_rng(0).standard_normal((2, inputs))
    expected, found = x @ matrix.T, _applied(operator, x)
    # What a sum in float32 may err by at most, for backends that compute in it whatever they get.
    tolerance = 1e-6 * (1.0 + inputs**0.5) * (np.abs(x) @ np.abs(matrix.T)).max()
    if not np.abs(expected - found).max() <= tolerance:
        raise ValueError(
            f"{operator!r}: expected apply to be linear, A(x + y) = Ax + Ay. Received: a product "
            f"with a random vector that differs by {np.abs(expected - found).max():.3g} from the "
            "sum of its products with unit vectors"
        )
    return matrix


def _applied(operator, vectors):
    batch = keras.ops.convert_to_tensor(vectors.reshape(-1, *operator.input_shape), "float64")
    result = np.asarray(keras.ops.convert_to_numpy(operator.apply(batch)), "float64")
    if result.shape != (len(vectors), *operator.output_shape) or not np.isfinite(result).all():
        raise ValueError(
            f"{operator!r}: expected apply to return finite numbers in a batch of shape "
            f"{(len(vectors), *operator.output_shape)}. Received: shape {result.shape}"
        )
    return result.reshape(len(vectors), -1)
