"""Gram iteration: proven norm bounds inside training, in `keras.ops`."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from lipzoo.rounding import HALF_PRECISION
from lipzoo.spectral.branches import branch
from lipzoo.spectral.largest import largest
from lipzoo.spectral.polyphase import bernstein_factor, fourier_matrix, gram_grid, half_grid
from lipzoo.validation import integer, integers


def gram_norm_bound(kernel, *, strides: Any = 1, iterations=4, grid_size=16, threshold=None):
    """Upper bound of a kernel's operator norm by Gram iteration, differentiable, for training.

        G_0 = A^H A,   G_(t+1) = G_t^2,      ||A|| <= min(||G_t||_F, ||G_t||_inf)^(1 / 2^(t+1))

    for every t, decreasing in t. Frobenius norms alone are loose for nearly orthogonal matrices,
    where the largest row sum of moduli is tight, and the other way round. A convolution's A runs
    through its frequency responses `K^(ω)` on a grid (the kernel is real: half of it), and the
    bound is multiplied by `Π 1 / cos(π d / 2M)` over the axes, which makes it one for all
    frequencies (Bernstein and Szego; d: number of taps less one after polyphase rearrangement, M:
    grid points), hence for every image size, zero or circular padding, for groups (apply it to each
    group's kernel, and take the maximum), and without strides for every dilation.

    What is proven: in exact arithmetic the result is an upper bound, at every number of
    iterations. The rounding of its evaluation is *not* covered: relative errors of about 1e-6 in
    float32 (1e-3 with TF32 products on a GPU). Certificates therefore use `dense_norm_bound` and
    `conv_norm_bound` in float64. NaN and infinity in the kernel come out as NaN or infinity.

    Args:
        kernel: tensor `(inputs, outputs)`, `(size, inputs, filters)` or `(height, width, inputs,
            filters)`.
        strides: of the convolution, an integer or one per axis. Not used for rank 2.
        iterations: number of squarings. 0 costs one product with the transpose.
        grid_size: least number of frequencies M per axis; where it is below 8 d it is raised to
            8 d, which keeps the factor below 1.04 in two dimensions.
        threshold: scalar, for those who only ask whether the bound is at most this: no more
            squarings once it is, or once no bound can be. `None`: all of them.

    Returns:
        Scalar tensor of the kernel's dtype (half precision: computed in float32 and rounded
        upwards; integers: of Keras' float type). 0 for a zero kernel, with zero gradients.

    Raises:
        ValueError: if the kernel is not of rank 2, 3 or 4, or an argument is outside its range.

    Reference: arXiv 2305.16173.

    Example:
        >>> import numpy as np
        >>> round(float(gram_norm_bound(np.eye(5, 3, dtype="float32"))), 6)
        1.0
    """
    kernel = ops.convert_to_tensor(kernel)
    dtype = keras.backend.standardize_dtype(kernel.dtype)
    if not keras.backend.is_float_dtype(dtype):
        dtype = keras.config.floatx()
    rank = len(kernel.shape) - 2
    if rank not in (0, 1, 2):
        raise ValueError(
            f"kernel must be of rank 2, 3 or 4. Received: kernel of shape {tuple(kernel.shape)}"
        )
    iterations = integer(iterations, "iterations", minimum=0)
    grid_size = integer(grid_size, "grid_size")
    compute = "float64" if dtype == "float64" else "float32"
    kernel = ops.cast(kernel, compute)
    tiny = float(np.finfo(compute).tiny)
    scale = ops.maximum(ops.stop_gradient(largest(ops.abs(kernel))), tiny)
    kernel = kernel / scale
    if rank == 0:
        gram, factor = _RealGram(smaller_gram(kernel)), 1.0
    else:
        strides = integers(strides, rank, "strides")
        gram, factor = _gram_on_grid(kernel, strides, grid_size)
    compared = None if threshold is None else ops.square(threshold / (factor * scale))
    norm = factor * scale * _root(_norm_bound(gram, iterations, tiny, compared, asks_only=True))
    if dtype in HALF_PRECISION:
        # Rounding to nearest must not bring the bound down.
        norm = norm * (1.0 + (2.0**-10 if dtype == "float16" else 2.0**-7))
    return ops.cast(norm, dtype)


def smaller_gram(matrix):
    """Returns `AᵀA` or `AAᵀ`, whichever is smaller: both have the norm `‖A‖²`."""
    if matrix.shape[0] < matrix.shape[1]:
        matrix = ops.transpose(matrix)
    return ops.matmul(ops.transpose(matrix), matrix)


def norm_bound_of_gram(gram, iterations, enough=None):
    """The bound of `gram_norm_bound` for a real matrix A from its Gram matrix.

    Args:
        gram: tensor `AᵀA` or `AAᵀ` in float32 or float64, of entries not far from 1.
        iterations: number of squarings.
        enough: scalar; no more squarings once the bound is at most this. `None`: all of them.

    Returns:
        Scalar tensor, at least ‖A‖ in exact arithmetic.

    Example:

    >>> import numpy as np
    >>> gram = np.diag([4.0, 1.0]).astype("float32")
    >>> float(norm_bound_of_gram(gram, 0)), round(float(norm_bound_of_gram(gram, 2)), 3)
    (2.0, 2.0)
    """
    tiny = float(np.finfo(keras.backend.standardize_dtype(gram.dtype)).tiny)
    enough = None if enough is None else ops.square(enough)
    return _root(_norm_bound(_RealGram(gram), iterations, tiny, enough))


def _norm_bound(gram, iterations, tiny, enough=None, asks_only=False):
    """Returns a bound of `‖G‖`: G's own norms, or `s` times the root of that of `(G/s)^2`."""
    frobenius = gram.frobenius_norms()
    norm = largest(ops.minimum(frobenius, gram.infinity_norms()))
    if iterations == 0:
        return norm
    # One common factor, a constant to the derivative: the result does not depend on it.
    scale = ops.maximum(ops.stop_gradient(largest(frobenius)), tiny)

    def squared():
        limit = None if enough is None else ops.square(enough / scale)
        norm = _norm_bound(gram.squared(scale), iterations - 1, tiny, limit, asks_only)
        return scale * _root(norm)

    if enough is None:
        return squared()
    decided = norm <= enough
    if asks_only:
        # No bound of ‖G‖ is below the length of a column.
        decided = ops.logical_or(decided, gram.longest_column() > enough)
    return branch(decided, lambda: norm, squared)


class _RealGram:
    """Gram matrix of a real matrix."""

    def __init__(self, gram):
        self.gram = gram

    def squared(self, scale):
        gram = self.gram / scale
        return _RealGram(ops.matmul(gram, gram))

    def frobenius_norms(self):
        return _root(ops.sum(ops.square(self.gram)))

    def infinity_norms(self):
        return largest(ops.sum(ops.abs(self.gram), axis=-1))

    def longest_column(self):
        return ops.sqrt(largest(ops.sum(ops.square(self.gram), axis=-1)))


class _HermitianGram:
    """Hermitian matrices P + iQ, each as one real matrix `M = P + Q`.

    P is symmetric and Q antisymmetric, so M has both, and moduli and squares need nothing else:
    `|P_jk + iQ_jk|^2 = (M_jk^2 + M_kj^2) / 2`, and `(P + iQ)^2` is `M^2 - (M - M^T)^2 / 2`.
    """

    def __init__(self, matrices):
        self.matrices = matrices

    def squared(self, scale):
        matrices = self.matrices / scale
        twice_odd = matrices - _transpose(matrices)
        return _HermitianGram(
            ops.matmul(matrices, matrices) - 0.5 * ops.matmul(twice_odd, twice_odd)
        )

    def frobenius_norms(self):
        return _root(ops.sum(ops.square(self.matrices), axis=(1, 2)))

    def infinity_norms(self):
        squares = ops.square(self.matrices)
        # Raised to the smallest normal number, where the root has a derivative.
        tiny = float(np.finfo(keras.backend.standardize_dtype(squares.dtype)).tiny)
        moduli = ops.sqrt(ops.maximum(0.5 * (squares + _transpose(squares)), tiny))
        return largest(ops.sum(moduli, axis=-1), axis=-1)

    def longest_column(self):
        squares = ops.square(self.matrices)
        return ops.sqrt(0.5 * largest(ops.sum(squares, axis=1) + ops.sum(squares, axis=2)))


def _gram_on_grid(kernel, strides, grid_size):
    """Gram matrices of the frequency responses on half of a grid, and the grid's factor.

    `K^(ω)^H K^(ω) = Σ_s C(s) exp(iωs)` with the correlations C of the kernel with itself, so
    `Σ_s C(s) (cos ωs + sin ωs)` is its real part plus its imaginary part.
    """
    kernel = polyphase(kernel, strides)
    *taps, inputs, filters = kernel.shape
    if inputs < filters:
        # The transposed responses have the same singular values.
        kernel = ops.swapaxes(kernel, -1, -2)
    grids = [gram_grid(count, grid_size) for count in taps]
    factor = math.prod(
        bernstein_factor(count - 1, grid) for count, grid in zip(taps, grids, strict=True)
    )
    shifts = np.indices([2 * count - 1 for count in taps]).reshape(len(taps), -1).T
    waves: Any = fourier_matrix(half_grid(grids), shifts - (np.array(taps) - 1), grids)
    size = min(inputs, filters)
    correlations = ops.reshape(autocorrelation(kernel), (len(shifts), -1))
    dtype = keras.backend.standardize_dtype(kernel.dtype)
    matrices = ops.matmul((waves.real - waves.imag).astype(dtype), correlations)
    return _HermitianGram(ops.reshape(matrices, (-1, size, size))), factor


def polyphase(kernel, strides):
    """The kernel of stride 1 that maps `Π strides` times as many channels, with fewer taps.

    Args:
        kernel: tensor `(*sizes, inputs, filters)`.
        strides: one integer per spatial axis.

    Returns:
        Tensor `(*taps, Π strides * inputs, filters)`, `taps = ceil(sizes / strides)`.

    Example:

    >>> polyphase(np.ones((5, 2, 3), "float32"), (2,)).shape == (3, 4, 3)
    True
    """
    *sizes, inputs, filters = kernel.shape
    if all(stride == 1 for stride in strides):
        return ops.convert_to_tensor(kernel)
    taps = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    padding = [
        (0, count * stride - size) for count, stride, size in zip(taps, strides, sizes, strict=True)
    ]
    if any(map(any, padding)):
        kernel = ops.pad(kernel, [*padding, (0, 0), (0, 0)])
    split = [length for pair in zip(taps, strides, strict=True) for length in pair]
    rank = len(sizes)
    order = [*range(0, 2 * rank, 2), *range(1, 2 * rank, 2), 2 * rank, 2 * rank + 1]
    kernel = ops.transpose(ops.reshape(kernel, [*split, inputs, filters]), order)
    return ops.reshape(kernel, (*taps, math.prod(strides) * inputs, filters))


def autocorrelation(kernel):
    """`C(s)_jk = Σ_x Σ_c K[x + s, c, j] K[x, c, k]`, by one convolution of the kernel with itself.

    Args:
        kernel: tensor `(*taps, inputs, filters)`.

    Returns:
        Tensor `(*(2 taps - 1), filters, filters)`; shift 0 is in the middle.

    Example:

    >>> kernel = np.array([1.0, 2.0], "float32").reshape(2, 1, 1)
    >>> [float(c) for c in ops.reshape(autocorrelation(kernel), -1)]
    [2.0, 5.0, 2.0]
    """
    rank = len(kernel.shape) - 2
    images = ops.moveaxis(kernel, -1, 0)
    padded = ops.pad(
        images, [(0, 0), *((size - 1, size - 1) for size in kernel.shape[:-2]), (0, 0)]
    )
    gram = ops.conv(padded, kernel, padding="valid", data_format="channels_last")
    return ops.moveaxis(gram, 0, rank)


def _transpose(matrices):
    return ops.transpose(matrices, (0, 2, 1))


def _root(value):
    """Square root with derivative 0 at 0."""
    positive = value > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, value, 1.0)), 0.0)
