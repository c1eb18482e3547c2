"""Symmetric matrices in float64: verified eigenvalues, dominating diagonals, verified inverses.

Matrices are taken as they are stored, exactly. What is proven of them holds whatever the solvers
return: these only make guesses, and a Cholesky factorisation or a residual decides.
"""

import numpy as np

from lipzoo.rounding import add_up, deflated, div_up, gamma, inflated, mul_up, unit_roundoff

_UNIT = unit_roundoff("float64")
# Of the largest entry of a matrix: nothing that is computed of it overflows, or is subnormal where
# that counts.
_SMALLEST, _LARGEST = 1e-100, 1e100
# Up to this side all eigenvalues are computed, beyond it the largest by Lanczos' method.
_LARGEST_FULL = 96
_LANCZOS_STEPS = 60


class Unverified(Exception):
    """A guess that no proof was found for."""


def raised(matrix: np.ndarray, amount) -> np.ndarray:
    """The matrix with at least `amount`, a number or a vector, added to its diagonal."""
    result = matrix.copy()
    diagonal = np.arange(len(matrix))
    result[diagonal, diagonal] = np.nextafter(result[diagonal, diagonal] + amount, np.inf)
    return result


def absolute_norm(matrix: np.ndarray) -> float:
    """Upper bound of the norm of the absolute values of a symmetric matrix: its largest row sum."""
    rows = np.abs(matrix).sum(axis=1)
    return float(inflated(rows.max(initial=0.0), operations=matrix.shape[1]))


def largest_eigenvalue(matrix: np.ndarray) -> float:
    """Upper bound of the largest eigenvalue of a positive semi-definite matrix."""
    return float(dominating_diagonal(matrix, np.ones(len(matrix))).max(initial=0.0))


def dominating_diagonal(matrix: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """A vector t, nearly the least multiple of `shape`, with `diag(t) - matrix` semi-definite.

    That Cholesky's factorisation of `B = fl(c diag(shape) - S)` runs to completion proves that no
    eigenvalue of B is below `-c_n tr(B) / (1 - c_n)`, `c_n = gamma(n + 4)` (see
    `lipzoo.spectral.singular_value`); the differences round the diagonal by `u max c shape`.

    Args:
        matrix: symmetric S of side n.
        shape: positive numbers, as many.

    Raises:
        Unverified: if the matrix has other numbers than finite ones, or no multiple is found.
    """
    if not matrix.any():
        return np.zeros(len(matrix))
    if not _SMALLEST < np.abs(matrix).max() < _LARGEST:
        raise Unverified("its numbers are so small or large that products leave float64")
    root = np.sqrt(shape)
    guess = _estimate(matrix / np.outer(root, root))
    if not (np.isfinite(guess) and guess > 0):
        raise Unverified("no finite eigenvalue")
    slack = 64.0 * len(matrix) * _UNIT
    for _ in range(12):
        scaled = guess * (1.0 + slack) * shape
        difference = np.diag(scaled) - matrix
        if _has_cholesky(difference):
            return inflated(scaled + _below_zero(difference, float(scaled.max())), operations=1)
        slack *= 20.0
    raise Unverified("no multiple of the diagonal dominates the matrix")


def _has_cholesky(matrix: np.ndarray) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def _below_zero(difference: np.ndarray, largest: float) -> float:
    """How far below zero the eigenvalues of a difference may lie that has a Cholesky factor."""
    side = len(difference)
    factor_error = gamma(side + 4, "float64")
    trace = float(inflated(np.abs(np.diag(difference)).sum(), operations=side))
    return add_up(
        div_up(mul_up(factor_error, trace), deflated(1.0 - factor_error, operations=1)),
        mul_up(_UNIT, inflated(largest, operations=1)),
    )


def _estimate(matrix: np.ndarray) -> float:
    """About the largest eigenvalue of a symmetric matrix."""
    if len(matrix) <= _LARGEST_FULL:
        return float(np.linalg.eigvalsh(matrix)[-1])
    vector = np.random.default_rng(0).normal(size=len(matrix))
    basis, alphas, betas = [vector / np.linalg.norm(vector)], [], []
    for _ in range(_LANCZOS_STEPS):
        image = matrix @ basis[-1]
        alphas.append(float(image @ basis[-1]))
        known = np.array(basis)
        # Twice, so that the basis stays orthogonal.
        for _ in range(2):
            image = image - known.T @ (known @ image)
        betas.append(float(np.linalg.norm(image)))
        if betas[-1] <= 1e-14 * abs(alphas[0]):
            break
        basis.append(image / betas[-1])
    tridiagonal = np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1)
    return float(np.linalg.eigvalsh(tridiagonal)[-1])


def inverse_above(matrix: np.ndarray, error: float) -> tuple[np.ndarray, float]:
    """`(X, d)` with `A^-1 <= X + d I` for every symmetric A within `error` of the matrix, in norm.

    With the residual `R = I - A X`, of norm at most r < 1, `A^-1 = X (I - R)^-1` differs from X by
    at most `|X| r / (1 - r)`.

    Args:
        matrix: symmetric, positive definite with whatever A is meant.
        error: see above.

    Raises:
        Unverified: if the residual is not below 1.
    """
    side = len(matrix)
    try:
        approximate = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        raise Unverified("singular") from None
    if not np.isfinite(approximate).all():
        raise Unverified("the inverse is not finite")
    approximate = (approximate + approximate.T) / 2
    residual = matrix @ approximate
    residual[np.arange(side), np.arange(side)] -= 1.0
    size = _frobenius(approximate)
    rest = add_up(
        _frobenius(residual),
        # Of the product; of taking 1 off.
        mul_up(gamma(side, "float64"), _frobenius(matrix), size),
        mul_up(_UNIT, 2.0, float(side)),
        mul_up(error, size),
    )
    if not rest < 0.5:
        raise Unverified("the residual of the inverse is too large")
    return approximate, div_up(mul_up(size, rest), deflated(1.0 - rest, operations=1))


def _frobenius(matrix: np.ndarray) -> float:
    return float(inflated(np.linalg.norm(matrix), operations=matrix.size + 2))
