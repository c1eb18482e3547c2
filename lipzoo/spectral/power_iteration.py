"""Power iteration: an estimate of a norm from below, not a bound."""

import keras
from keras import ops

from lipzoo.spectral.convolve import convolve, convolve_adjoint
from lipzoo.spectral.largest import largest
from lipzoo.spectral.padding import CIRCULAR, margins, standardize_padding
from lipzoo.validation import integer, integers


def power_iteration(
    kernel,
    input_size=None,
    *,
    strides=1,
    padding="same",
    iterations=20,
    vector=None,
    seed=0,
):
    """Estimates an operator norm from below, by the power method on `A^T A`.

        v <- A^T A v / ||A^T A v||,      estimate = ||A v|| <= ||A||

    on the operator that it really is (a convolution with its padding and stride on its input
    size). This is an *estimate*, at any number of iterations below the norm (up to the rounding
    of its evaluation): no certificate may rest on it. Iterated along with training, warm-started
    with the last vector, it follows the norm cheaply.

    Args:
        kernel: tensor `(inputs, outputs)`, `(size, inputs, filters)` or `(height, width, inputs,
            filters)`.
        input_size: spatial size of the input of a convolution, an integer or one per axis.
        strides: of the convolution, an integer or one per axis.
        padding: `"same"`, `"valid"`, `"circular"` or explicit zero padding, as for
            `conv_norm_bound`.
        iterations: number of steps, at least 0.
        vector: where to start: what an earlier call returned. `None`: a random vector.
        seed: of the random vector.

    Returns:
        `(estimate, vector)`: a scalar, and the unit vector `(1, inputs)` or `(1, *input_size,
        inputs)` for the next call, in the kernel's dtype (half precision: in float32).

    Raises:
        ValueError: if the kernel is not of rank 2, 3 or 4; a convolution has no input_size; or
            an argument is outside its range.

    Reference: Golub and Van der Vorst, Eigenvalue computation in the 20th century, 2000; for
    convolutions arXiv 1804.04368.

    Example:
        >>> import numpy as np
        >>> kernel = np.array([[3.0, 0.0], [4.0, 0.0], [0.0, 1.0]], dtype="float32")
        >>> estimate, vector = power_iteration(kernel)
        >>> round(float(estimate), 4), tuple(vector.shape)
        (5.0, (1, 3))
    """
    kernel = ops.convert_to_tensor(kernel)
    rank = len(kernel.shape) - 2
    if rank not in (0, 1, 2):
        raise ValueError(
            f"kernel must be of rank 2, 3 or 4. Received: kernel of shape {tuple(kernel.shape)}"
        )
    iterations = integer(iterations, "iterations", minimum=0)
    dtype = keras.backend.standardize_dtype(kernel.dtype)
    dtype = "float64" if dtype == "float64" else "float32"
    kernel = ops.cast(kernel, dtype)
    scale = ops.maximum(largest(ops.abs(kernel)), 1e-37)
    kernel = kernel / scale
    if rank == 0:
        sizes: tuple[int, ...] = ()

        def forward(inputs):
            return ops.matmul(inputs, kernel)

        def adjoint(outputs):  # pyright: ignore[reportRedeclaration]
            return ops.matmul(outputs, ops.transpose(kernel))

    else:
        if input_size is None:
            raise ValueError(
                "power_iteration of a convolution needs input_size: the norm depends on it. "
                "Received: input_size=None"
            )
        sizes = integers(input_size, rank, "input_size")
        strides = integers(strides, rank, "strides")
        padding = standardize_padding(padding, rank)
        pads = tuple(
            margins(length, size, stride, 1, mode)
            for length, size, stride, mode in zip(
                sizes, kernel.shape[:-2], strides, padding, strict=True
            )
        )
        circular = CIRCULAR in padding

        def forward(inputs):
            return convolve(inputs, kernel, strides, pads, circular)

        def adjoint(outputs):
            return convolve_adjoint(outputs, kernel, strides, pads, sizes, circular)

    shape = (1, *sizes, kernel.shape[-2])
    if vector is None:
        vector = keras.random.normal(shape, dtype=dtype, seed=seed)
    elif tuple(vector.shape) != shape:
        raise ValueError(
            f"vector must be of shape {shape}. Received: vector of shape {tuple(vector.shape)}"
        )
    vector = _normalized(ops.cast(vector, dtype), otherwise=0.0)
    for _ in range(iterations):
        vector = _normalized(adjoint(forward(vector)), otherwise=vector)
    return scale * _norm(forward(vector)), vector


def _norm(tensor):
    return ops.sqrt(ops.sum(ops.square(tensor)))


def _normalized(tensor, otherwise):
    """Returns the unit vector, or `otherwise` where there is none."""
    norm = _norm(tensor)
    return ops.where(norm > 0, tensor / ops.maximum(norm, 1e-30), otherwise)
