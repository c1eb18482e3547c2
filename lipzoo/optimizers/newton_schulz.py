"""The polar factor of a matrix by Newton-Schulz steps on its Gram matrix, in `keras.ops`."""

from keras import ops

from lipzoo.spectral.largest import largest

# The quintic of Muon: steep at 0, so that small singular values grow fast; larger ones end between
# 0.68 and 1.21 and not at 1.
_QUINTIC = (3.4445, -4.7750, 2.0315)


# Rounding leaves eigenvalues of the Gram matrix just below 0; a step makes them 12 times larger.
MAX_STEPS = 5


def approximate_polar(matrix, steps: int):
    """Brings the singular values of a matrix near 1 and leaves its singular vectors as they are.

    With `G_0 = XᵀX` for `X = matrix / s`, every step is

        Q_k = aI + b G_k + c G_k²,    P_(k+1) = P_k Q_k,    G_(k+1) = G_k Q_k²,    P_0 = I

    and the result is `X P`: what the steps `X ← X (aI + bXᵀX + c(XᵀX)²)` give in exact arithmetic,
    with products of the small side only (all the matrices are polynomials of `G_0` and commute).
    The scale `s = (Σ σ_i⁸)^(1/8)`, with σ_i the singular values, is the root of `‖(XᵀX)²‖_F` and
    seldom twice the largest of them, where the Frobenius norm is many times that: it saves two
    steps.

    It is an approximation: singular values above about `2 · 0.3^steps` of the largest end between
    0.68 and 1.21, and zero stays zero. No certificate rests on it.

    Args:
        matrix: tensor of shape `(rows, columns)`, at least as many rows as columns.
        steps: number of steps, at most `MAX_STEPS`.

    Returns:
        A tensor of the same shape; 0 for the zero matrix.

    Reference: https://kellerjordan.github.io/posts/muon; arXiv 2502.16982.

    Example:

    >>> import numpy as np
    >>> x = np.diag([3.0, 0.5]).astype("float32")
    >>> values = np.linalg.svd(ops.convert_to_numpy(approximate_polar(x, 3)))[1]
    >>> bool(np.all((0.6 < values) & (values < 1.2)))
    True
    """
    a, b, c = _QUINTIC
    # The largest entry first: the norm of a huge or tiny gradient would overflow or vanish.
    x = matrix / ops.maximum(largest(ops.abs(matrix)), 1e-30)
    x = x / ops.maximum(ops.sqrt(ops.sum(ops.square(x))), 1e-30)
    gram = ops.matmul(ops.transpose(x), x)
    square = ops.matmul(gram, gram)
    scale = ops.maximum(ops.sqrt(ops.sqrt(ops.sum(ops.square(square)))), 1e-15)
    gram, square = gram / scale, square / ops.square(scale)
    identity = ops.eye(gram.shape[0], dtype=gram.dtype)
    factor = quintic = a * identity + b * gram + c * square
    for _ in range(steps - 1):
        gram = ops.matmul(ops.matmul(gram, quintic), quintic)
        quintic = a * identity + b * gram + c * ops.matmul(gram, gram)
        factor = ops.matmul(factor, quintic)
    return ops.matmul(x, factor) / ops.sqrt(scale)
