"""The polar factor of a matrix by Newton-Schulz steps, in `keras.ops`."""

from keras import ops

from lipzoo.spectral.largest import largest

# The quintic of Muon: steep at 0, so that small singular values grow fast; larger ones end between
# 0.68 and 1.14 and not at 1.
_QUINTIC = (3.4445, -4.7750, 2.0315)


def approximate_polar(matrix, steps: int):
    """Brings the singular values of a matrix near 1 and leaves its singular vectors as they are.

        X ← X (aI + bXᵀX + c(XᵀX)²)      from X = matrix / ‖matrix‖_F

    It is an approximation: singular values above about `0.3^steps` of the Frobenius norm end
    between 0.68 and 1.14, and zero stays zero. No certificate rests on it.

    Args:
        matrix: tensor of shape `(rows, columns)`, at least as many rows as columns.
        steps: number of steps.

    Returns:
        A tensor of the same shape; 0 for the zero matrix.

    Reference: https://kellerjordan.github.io/posts/muon; arXiv 2502.16982.

    Example:

    >>> import numpy as np
    >>> x = np.diag([3.0, 0.5]).astype("float32")
    >>> values = np.linalg.svd(ops.convert_to_numpy(approximate_polar(x, 5)))[1]
    >>> bool(np.all((0.6 < values) & (values < 1.2)))
    True
    """
    a, b, c = _QUINTIC
    # The largest entry first: the norm of a huge or tiny gradient would overflow or vanish.
    x = matrix / ops.maximum(largest(ops.abs(matrix)), 1e-30)
    x = x / ops.maximum(ops.sqrt(ops.sum(ops.square(x))), 1e-30)
    for _ in range(steps):
        gram = ops.matmul(ops.transpose(x), x)
        x = a * x + ops.matmul(x, b * gram + c * ops.matmul(gram, gram))
    return x
