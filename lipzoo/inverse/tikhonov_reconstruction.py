"""Tikhonov's reconstruction and its Lipschitz constant: the yardstick of every learned one."""

import keras
import numpy as np

from lipzoo.inverse.operators.base import MAX_ENTRIES, ChebyshevInverse, LinearOperator
from lipzoo.validation import finite_number, real_array

# Relative to ‖A‖²; a smaller α is not told from 0 by the singular values that float64 yields.
_SMALLEST_ALPHA = 1e-12
# Of the iteration that stands for a matrix which would be too large.
_ACCURACY = 1e-6


def tikhonov(operator: LinearOperator, y, alpha: float) -> np.ndarray:
    """Reconstructs images by Tikhonov's regularisation.

        x = argmin ‖Ax - y‖² + α‖x‖² = (AᵀA + αI)⁻¹Aᵀy

    in float64. An operator of more than 2²⁵ entries is applied by the backend of Keras, in float64
    where the backend has it, in as many steps of Chebyshev's iteration as bring the map within
    1e-6 of its norm (`lipzoo.inverse.ChebyshevInverse`).

    Args:
        operator: A, a `LinearOperator`.
        y: measurements, of shape `(examples, *operator.output_shape)`.
        alpha: α, a positive finite number, in the units of ‖A‖².

    Returns:
        Array of shape `(examples, *operator.input_shape)`.

    Raises:
        ValueError: if y has another shape or is not finite, or α is not positive or too small for
            an iteration.

    Reference: Engl, Hanke and Neubauer, *Regularization of Inverse Problems*, 1996,
    ISBN 978-0-7923-4157-4, chapter 5.

    Example:

    >>> from lipzoo.inverse.operators import Matrix
    >>> tikhonov(Matrix([[2.0]]), [[1.0]], alpha=4.0)
    array([[0.25]])
    """
    y = check_batch(y, operator.output_shape, "y")
    inverse = operator.regularised_inverse(alpha)
    if isinstance(inverse, ChebyshevInverse):
        inverse = ChebyshevInverse(operator, alpha, _ACCURACY)
    if inverse.inputs * inverse.outputs <= MAX_ENTRIES:
        images = y.reshape(len(y), -1) @ inverse.matrix().T
    else:
        images = keras.ops.convert_to_numpy(inverse.apply(keras.ops.convert_to_tensor(y)))
    return np.asarray(images, "float64").reshape(len(y), *operator.input_shape)


def tikhonov_norm_bound(operator: LinearOperator, alpha: float) -> float:
    """Proven Lipschitz bound of Tikhonov's reconstruction: how far noise in y can move x.

        ‖(AᵀA + αI)⁻¹Aᵀ‖ = max s/(s² + α) over the singular values s of A, at most 1/(2√α)

    Args:
        operator: A, a `LinearOperator`.
        alpha: α, a positive finite number, in the units of ‖A‖².

    Returns:
        The verified norm, in float64, of the reconstruction as `operator.regularised_inverse`
        holds it; above the true one by rounding only, or by at most a hundredth where that is an
        iteration.

    Raises:
        ValueError: if α is not positive, or too small for an iteration.

    Example:

    >>> from lipzoo.inverse.operators import Matrix
    >>> 0.25 <= tikhonov_norm_bound(Matrix([[2.0, 0.0], [0.0, 2.0]]), alpha=4.0) < 0.25 + 1e-12
    True
    """
    return operator.regularised_inverse(alpha).norm_bound


def alpha_for_bound(operator: LinearOperator, bound: float) -> float:
    """The least regularisation that a stability budget allows.

    The smallest α for which `tikhonov_norm_bound(operator, alpha)` is at most `bound`. In exact
    arithmetic `s/(s² + α) <= L` means `α >= s/L - s²`, so that

        α = max over the singular values s of A of s (1/L - s)

    which is 1/(4L²) if 1/(2L) is a singular value, and `‖A‖(1/L - ‖A‖)`, above ‖A‖², if all
    singular values are below it. It is raised from there until the *proven* bound fits.

    Args:
        operator: A, a `LinearOperator`.
        bound: L, the largest Lipschitz constant wanted, positive and finite.

    Returns:
        α, to a relative accuracy of 1e-6. Never below `1e-12 ‖A‖²`, even where L would allow it. Of
        an operator of more than 2²⁵ entries, an α that keeps the bound whatever its singular values
        are up to ‖A‖, and so perhaps not the smallest.

    Raises:
        ValueError: if the bound is not positive and finite.

    Example:

    >>> from lipzoo.inverse.operators import Matrix
    >>> round(alpha_for_bound(Matrix([[2.0, 0.0], [0.0, 0.5]]), bound=0.25), 3)
    4.0
    """
    bound = finite_number(bound, "bound", positive=True)
    if operator.inputs * operator.outputs > MAX_ENTRIES:
        # Any number up to ‖A‖ may be a singular value.
        largest = operator.norm_bound
        values = np.array([min(0.5 / bound, largest), largest])
    else:
        values = np.linalg.svd(operator.matrix(), compute_uv=False)
        largest = float(values[0])
    least = float(np.max(values * (1.0 / bound - values)))
    alpha = max(least, _SMALLEST_ALPHA * largest**2, float(np.finfo(float).tiny))
    if tikhonov_norm_bound(operator, alpha) <= bound:
        return alpha
    # Rounding, or the slack of the proof: step up until it fits, then bisect.
    step, below = 5e-7, alpha
    while tikhonov_norm_bound(operator, alpha := alpha * (1.0 + step)) > bound:
        step, below = 2.0 * step, alpha
    while alpha > below * (1.0 + 1e-6):
        middle = (below * alpha) ** 0.5
        if tikhonov_norm_bound(operator, middle) <= bound:
            alpha = middle
        else:
            below = middle
    return alpha


def check_batch(values, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Returns a batch of images or measurements in float64.

    Args:
        values: an array, or a tensor of the backend of Keras.
        shape: the shape of one example.
        name: what to call it in an error.

    Raises:
        ValueError: if it has another shape, no examples, or values that are no finite numbers.

    >>> check_batch([[1, 2]], (2,), "y")
    array([[1., 2.]])
    """
    array = real_array(values, name, booleans=True).astype("float64")
    if array.ndim == 0 or array.shape[1:] != tuple(shape) or len(array) == 0:
        hint = " (a batch axis is missing)" if array.shape == tuple(shape) else ""
        raise ValueError(
            f"Expected {name} of shape {('examples', *shape)}, at least one example{hint}. "
            f"Received: {name}.shape={array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"Expected finite values in {name}. Received: NaN or infinity")
    return array


def check_matrix_size(operator: LinearOperator) -> None:
    """Refuses operators whose dense matrices would not fit into memory.

    Raises:
        TypeError: if it is no `LinearOperator`.
        ValueError: if AᵀA or A has more than 2²⁵ entries.

    >>> from lipzoo.inverse.operators import Matrix
    >>> check_matrix_size(Matrix([[1.0]]))
    """
    if not isinstance(operator, LinearOperator):
        raise TypeError(
            f"Expected a lipzoo.inverse.LinearOperator. Received: operator={operator!r}"
        )
    if operator.inputs * max(operator.inputs, operator.outputs) > MAX_ENTRIES:
        raise ValueError(
            f"Expected an operator whose matrices have at most {MAX_ENTRIES:,} entries. "
            f"Received: {operator.outputs:,} x {operator.inputs:,}"
        )
