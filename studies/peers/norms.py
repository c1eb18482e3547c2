"""The norms of trained kernels as the operators that they are, in float64."""

import numpy as np

# Above this side, the largest singular value comes from two sides instead of all from an SVD.
LARGEST_SVD = 1600
PRECISION = 1e-6


def true_norm(kernel: np.ndarray, height: int, width: int, padding: str) -> float:
    """Largest singular value of a dense kernel, or of a convolution on maps of a given size.

    - dense: SVD of the matrix;
    - convolution, circular padding: SVD of the frequency response at each frequency of the map,
      which is the whole operator in another orthonormal basis;
    - convolution, zero padding: SVD of the operator written out as a matrix; where that has more
      than 1,600 rows and columns, `enclosed_norm` of it.

    Args:
        kernel: `(inputs, outputs)`, or `(rows, columns, inputs, outputs)` of odd size, stride 1.
        height, width: size of the map.
        padding: `"zeros"` or `"circular"`, for convolutions.

    Example:

    >>> difference = np.array([-1.0, 2.0, -1.0])
    >>> kernel = np.multiply.outer(difference, difference).reshape(3, 3, 1, 1)
    >>> round(true_norm(kernel, 3, 3, "zeros"), 3), round(true_norm(kernel, 3, 3, "circular"), 3)
    (11.657, 9.0)
    """
    kernel = np.asarray(kernel, dtype="float64")
    if kernel.ndim == 2:
        return float(np.linalg.norm(kernel, 2))
    if padding == "circular":
        response = np.fft.fft2(kernel, (height, width), axes=(0, 1))
        return float(np.linalg.svd(response, compute_uv=False).max())
    if padding != "zeros":
        raise ValueError(f"padding must be 'zeros' or 'circular'. Received: padding={padding!r}")
    matrix = zero_padded_operator(kernel, height, width)
    if min(matrix.shape) <= LARGEST_SVD:
        return float(np.linalg.norm(matrix.toarray(), 2))
    return enclosed_norm(matrix)


def zero_padded_operator(kernel: np.ndarray, height: int, width: int):
    """The sparse matrix of a zero-padded convolution, from flattened maps to flattened maps."""
    from scipy.sparse import csr_matrix, eye_array, kron

    rows, columns = kernel.shape[:2]
    return sum(
        kron(
            kron(eye_array(height, k=row - rows // 2), eye_array(width, k=column - columns // 2)),
            csr_matrix(kernel[row, column].T),
        )
        for row in range(rows)
        for column in range(columns)
    ).tocsr()


def enclosed_norm(matrix) -> float:
    """Largest singular value of a sparse matrix, correct to one part in a million.

    Lanczos iteration finds a value σ from below, the norm of the matrix on one vector. That there
    is none above `σ (1 + 1e-6)` is shown by the Cholesky factorisation of `σ² (1 + 1e-6)² I - AᵀA`,
    which exists for a positive definite matrix only.

    Raises:
        ArithmeticError: if the two do not meet.
    """
    from scipy.linalg import LinAlgError, cholesky
    from scipy.sparse.linalg import svds

    smaller = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    (below,) = svds(smaller, k=1, ncv=80, tol=1e-10, return_singular_vectors=False, random_state=0)
    gram = -(smaller.T @ smaller).toarray()
    gram[np.diag_indices_from(gram)] += (below * (1 + PRECISION)) ** 2
    try:
        cholesky(gram, overwrite_a=True, check_finite=False)
    except LinAlgError:
        raise ArithmeticError(f"a singular value above {below} exists") from None
    return float(below)
