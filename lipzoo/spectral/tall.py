"""A kernel flattened to a matrix that is no wider than it is tall."""

from keras import ops


def tall(kernel):
    """The kernel as a matrix with at least as many rows as columns, and the way back.

    Args:
        kernel: tensor of shape `(..., units)`.

    Returns:
        A matrix whose columns are those of the flattened kernel, or its rows where it is wide, and
        a function that brings a matrix of this shape into the kernel's.

    Example:

    >>> matrix, back = tall(ops.ones((2, 2, 3, 20)))
    >>> tuple(matrix.shape), tuple(back(matrix).shape)
    ((20, 12), (2, 2, 3, 20))
    """
    shape = tuple(kernel.shape)
    matrix = ops.reshape(kernel, (-1, shape[-1]))
    if matrix.shape[0] >= matrix.shape[1]:
        return matrix, lambda result: ops.reshape(result, shape)
    return ops.transpose(matrix), lambda result: ops.reshape(ops.transpose(result), shape)
