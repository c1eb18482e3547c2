"""Proven norm bounds of matrices."""

import math

import numpy as np

from lipzoo.rounding import add_up, inflated
from lipzoo.spectral.singular_value import largest_singular_value_bound
from lipzoo.spectral.threads import single_threaded_blas
from lipzoo.spectral.validation import kernel_to_float64, scale_back, scale_to_unit

# Of the vector that `absolute_norm_bound` tries, and its smallest entry beside the largest, 1.
_POWER_ITERATIONS, _SMALLEST = 4, 1e-30


def dense_norm_bound(kernel) -> float:
    """Proven upper bound of the largest singular value of a matrix.

        ||A|| = max_{x != 0} ||A x||_2 / ||x||_2 = sigma_max(kernel)

    The smaller Gram matrix's largest eigenvalue in float64, verified by a Cholesky factorisation;
    the rounding of the evaluation itself is included (see
    `lipzoo.spectral.singular_value.largest_singular_value_bound`). The bound exceeds the norm by
    a relative error of about `(m + n) n u / 2` at most, u = 2^-53: 1e-10 for a 1000 x 1000
    orthogonal matrix.

    Args:
        kernel: matrix of shape `(inputs, outputs)`, as in `keras.layers.Dense`, or its transpose.
            Any real float type; the stored values are converted exactly.

    Returns:
        A float. 0 for a zero or an empty matrix.

    Raises:
        ValueError: if the kernel is not of rank 2 or not finite.

    Example:
        >>> import numpy as np
        >>> kernel = np.array([[3.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
        >>> 5.0 <= dense_norm_bound(kernel) <= 5.0 + 1e-14
        True
    """
    matrix, exponent = scale_to_unit(kernel_to_float64(kernel, ranks=(2,)))
    return scale_back(largest_singular_value_bound([matrix[np.newaxis]]), exponent)


def tap_norm_sum(kernel) -> float:
    """Proven upper bound of the norm of a convolution and of every part of it.

        sum over the spatial taps t of sigma_max(K_t)

    where `K_t` is the channel matrix of tap t. A convolution is a sum of its taps, each of which
    is a partial shift (norm at most 1) times a channel matrix. Removing taps, input channels or
    output channels lowers no term, so the sum bounds the norm of the convolution with *any* subset
    of the kernel's entries that is made of whole taps, channels, or products of these; for any
    stride, dilation, groups, image size, and zero or circular padding. Rounding error bounds
    rest on this.

    Args:
        kernel: `(inputs, outputs)`, `(size, inputs, outputs)` or `(height, width, inputs,
            outputs)`, as Keras stores it; with groups, `inputs` counts those of one group.

    Returns:
        A float, in float64 with its own rounding included. Not below `conv_norm_bound`'s exact
        value; equal to it for kernels with one tap.

    Raises:
        ValueError: if the kernel is not of rank 2, 3 or 4, or not finite.

    Example:
        >>> import numpy as np
        >>> 4.0 <= tap_norm_sum(np.array([-1.0, 2.0, -1.0]).reshape(3, 1, 1)) < 4.0 + 1e-13
        True
    """
    array, exponent = scale_to_unit(kernel_to_float64(kernel, ranks=(2, 3, 4)))
    taps = array.reshape(-1, *array.shape[-2:]) if array.size else array[:0]
    return scale_back(
        add_up(*(largest_singular_value_bound([tap[np.newaxis]]) for tap in taps)), exponent
    )


def absolute_norm_bound(kernel, groups: int = 1) -> float:
    """Proven upper bound of the norm of a layer's matrix with absolute values for entries.

        || |A| || <= || sum over the spatial taps t of |K_t| || <= sqrt(max_i (M^T M v)_i / v_i)

    M is the sum of the taps' absolute values: a convolution with non-negative taps has its largest
    response at frequency 0, and only part of it with zero padding, strides or groups. The second
    inequality holds for every v > 0 (Collatz and Wielandt); v comes from a few power iterations.
    For a matrix the Frobenius norm is taken where it is smaller. Rounding error bounds rest on
    this: no order of summation has more than `gamma_n || |A| || ||x||`.

    Args:
        kernel: as for `tap_norm_sum`.
        groups: of a grouped convolution.

    Returns:
        A float, its own rounding included. At least the norm itself, and equal to it, up to
        rounding, where no entry is negative.

    Raises:
        ValueError: if the kernel is not of rank 2, 3 or 4, or not finite.

    Example:
        >>> import numpy as np
        >>> 4.0 <= absolute_norm_bound(np.array([-1.0, 2.0, -1.0]).reshape(3, 1, 1)) < 4.0 + 1e-14
        True
    """
    array, exponent = scale_to_unit(kernel_to_float64(kernel, ranks=(2, 3, 4)))
    if not array.any():
        return 0.0
    taps = np.abs(array).reshape(-1, *array.shape[-2:])
    matrix = np.stack(np.split(taps.sum(axis=0), groups, axis=-1))
    transposed = np.swapaxes(matrix, -1, -2)
    with single_threaded_blas():
        v = np.ones((groups, matrix.shape[-1], 1))
        for _ in range(_POWER_ITERATIONS):
            v = transposed @ (matrix @ v)
            v = np.maximum(v / max(float(v.max()), _SMALLEST), _SMALLEST)
        quotient = float(np.max(transposed @ (matrix @ v) / v))
    # The sums over the taps enter twice; two products, a quotient and a root.
    operations = 2 * len(taps) + sum(matrix.shape[1:]) + 2
    bound = inflated(math.sqrt(quotient), operations)
    if len(taps) == 1:
        bound = min(bound, inflated(float(np.linalg.norm(array)), array.size + 1))
    return scale_back(bound, exponent)
