"""Power iteration: an estimate of a norm from below, not a bound."""

import math

import keras
from keras import ops

from lipzoo.spectral.padding import CIRCULAR, margins, standardize_padding
from lipzoo.spectral.validation import positive_integers


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
    if not isinstance(iterations, int) or iterations < 0:
        raise ValueError(
            f"iterations must be a non-negative integer. Received: iterations={iterations!r}"
        )
    dtype = keras.backend.standardize_dtype(kernel.dtype)
    dtype = "float64" if dtype == "float64" else "float32"
    kernel = ops.cast(kernel, dtype)
    scale = ops.maximum(ops.max(ops.abs(kernel)), 1e-37)
    kernel = kernel / scale
    if rank == 0:
        sizes = ()

        def forward(inputs):
            return ops.matmul(inputs, kernel)

        def adjoint(outputs):
            return ops.matmul(outputs, ops.transpose(kernel))

    else:
        if input_size is None:
            raise ValueError(
                "power_iteration of a convolution needs input_size: the norm depends on it. "
                "Received: input_size=None"
            )
        sizes = positive_integers(input_size, rank, "input_size")
        strides = positive_integers(strides, rank, "strides")
        padding = standardize_padding(padding, rank)
        pads = tuple(
            margins(length, size, stride, 1, mode)
            for length, size, stride, mode in zip(sizes, kernel.shape, strides, padding)
        )
        circular = CIRCULAR in padding

        def forward(inputs):
            padded = _pad(inputs, pads, circular)
            return ops.conv(padded, kernel, strides, "valid", data_format="channels_last")

        def adjoint(outputs):
            padded = ops.conv_transpose(
                outputs, kernel, strides, "valid", data_format="channels_last"
            )
            return _pad_adjoint(padded, pads, sizes, circular)

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


def _slice(tensor, axis, start, stop):
    return tensor[(slice(None),) * axis + (slice(start, stop),)]


def _pad(inputs, pads, circular):
    """Pads the spatial axes, by zeros or around the cycle (`ops.pad` cannot, on TensorFlow)."""
    if not circular:
        return ops.pad(inputs, [(0, 0), *pads, (0, 0)])
    for axis, (before, after) in enumerate(pads, start=1):
        length = inputs.shape[axis]
        positions = [position % length for position in range(-before, length + after)]
        inputs = ops.take(inputs, positions, axis=axis)
    return inputs


def _pad_adjoint(padded, pads, sizes, circular):
    """Crops the spatial axes, or adds up what came from the same position of the cycle."""
    for axis, ((before, after), length) in enumerate(zip(pads, sizes), start=1):
        missing = before + length + after - padded.shape[axis]
        if missing > 0:
            widths = [(0, 0)] * len(padded.shape)
            widths[axis] = (0, missing)
            padded = ops.pad(padded, widths)
        if not circular:
            padded = _slice(padded, axis, before, before + length)
            continue
        cycles = math.ceil(padded.shape[axis] / length) + 1
        start = -before % length
        widths = [(0, 0)] * len(padded.shape)
        widths[axis] = (start, cycles * length - start - padded.shape[axis])
        wrapped = ops.pad(padded, widths)
        padded = sum(
            _slice(wrapped, axis, cycle * length, (cycle + 1) * length) for cycle in range(cycles)
        )
    return padded
