"""Gram iteration: proven norm bounds inside training, in `keras.ops`."""

import math

import keras
import numpy as np
from keras import ops

from lipzoo.spectral.polyphase import bernstein_factor, fourier_matrix, gram_grid, half_grid
from lipzoo.spectral.validation import positive_integers


def gram_norm_bound(kernel, *, strides=1, iterations=4, grid_size=16):
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
    if not isinstance(iterations, int) or iterations < 0:
        raise ValueError(
            f"iterations must be a non-negative integer. Received: iterations={iterations!r}"
        )
    (grid_size,) = positive_integers(grid_size, 1, "grid_size")
    compute = "float64" if dtype == "float64" else "float32"
    kernel = ops.cast(kernel, compute)
    tiny = float(np.finfo(compute).tiny)
    scale = ops.maximum(ops.stop_gradient(ops.max(ops.abs(kernel))), tiny)
    kernel = kernel / scale
    if rank == 0:
        norm = norm_bound_of_gram(smaller_gram(kernel), iterations)
    else:
        strides = positive_integers(strides, rank, "strides")
        real, imaginary, factor = _responses(kernel, strides, grid_size, compute)
        gram = _ComplexGram(real, imaginary)
        norm = factor * _root(_norm_bound(gram, iterations, tiny))
    norm = norm * scale
    if dtype in ("float16", "bfloat16"):
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


def _norm_bound(gram, iterations, tiny, enough=None):
    """Returns a bound of `‖G‖`: G's own norms, or `s` times the root of that of `(G/s)^2`."""
    frobenius = gram.frobenius_norms()
    norm = ops.max(ops.minimum(frobenius, gram.infinity_norms()))
    if iterations == 0:
        return norm
    # One common factor, a constant to the derivative: the result does not depend on it.
    scale = ops.maximum(ops.stop_gradient(ops.max(frobenius)), tiny)

    def squared():
        limit = None if enough is None else ops.square(enough / scale)
        return scale * _root(_norm_bound(gram.squared(scale), iterations - 1, tiny, limit))

    return squared() if enough is None else ops.cond(norm <= enough, lambda: norm, squared)


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
        return ops.max(ops.sum(ops.abs(self.gram), axis=-1))


class _ComplexGram:
    """Gram matrices P + iQ of complex matrices, by real products: P symmetric, Q antisymmetric."""

    def __init__(self, real, imaginary):
        if real.shape[1] < real.shape[2]:
            # A^T has the same singular values as A.
            real, imaginary = _transpose(real), _transpose(imaginary)
        stacked = ops.concatenate([real, imaginary], axis=1)
        product = ops.matmul(_transpose(real), imaginary)
        self.real = ops.matmul(_transpose(stacked), stacked)
        self.imaginary = product - _transpose(product)

    def squared(self, scale):
        real, imaginary = self.real / scale, self.imaginary / scale
        # (P + iQ)^2 = (P + Q)(P - Q) + N + N^T + i(N - N^T) with N = PQ: two products, not three.
        product = ops.matmul(real, imaginary)
        transposed = _transpose(product)
        result = object.__new__(_ComplexGram)
        result.real = ops.matmul(real + imaginary, real - imaginary) + product + transposed
        result.imaginary = product - transposed
        return result

    def frobenius_norms(self):
        return _root(ops.sum(ops.square(self.real) + ops.square(self.imaginary), axis=(1, 2)))

    def infinity_norms(self):
        moduli = _root(ops.square(self.real) + ops.square(self.imaginary))
        return ops.max(ops.sum(moduli, axis=-1), axis=-1)


def _responses(kernel, strides, grid_size, dtype):
    """Returns real and imaginary parts `(frequencies, phases * inputs, filters)`, and a factor."""
    *sizes, inputs, filters = kernel.shape
    taps = [-(-size // stride) for size, stride in zip(sizes, strides)]
    padding = [(0, count * stride - size) for count, stride, size in zip(taps, strides, sizes)]
    if any(map(any, padding)):
        kernel = ops.pad(kernel, [*padding, (0, 0), (0, 0)])
    split = [length for pair in zip(taps, strides) for length in pair]
    rank = len(sizes)
    order = [*range(0, 2 * rank, 2), *range(1, 2 * rank, 2), 2 * rank, 2 * rank + 1]
    kernel = ops.transpose(ops.reshape(kernel, [*split, inputs, filters]), order)
    matrix = ops.reshape(kernel, (math.prod(taps), -1))
    grids = [gram_grid(count, grid_size) for count in taps]
    factor = math.prod(bernstein_factor(count - 1, grid) for count, grid in zip(taps, grids))
    positions = np.indices(taps).reshape(rank, -1).T
    waves = fourier_matrix(half_grid(grids), positions, grids)
    shape = (len(waves), math.prod(strides) * inputs, filters)
    real = ops.matmul(waves.real.astype(dtype), matrix)
    imaginary = ops.matmul(waves.imag.astype(dtype), matrix)
    return ops.reshape(real, shape), ops.reshape(imaginary, shape), factor


def _transpose(matrices):
    return ops.transpose(matrices, (0, 2, 1))


def _root(value):
    """Square root with derivative 0 at 0."""
    positive = value > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, value, 1.0)), 0.0)
