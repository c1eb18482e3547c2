"""Convolutions written out as matrices, by two paths that share nothing with lipzoo."""

import itertools

import keras
import numpy as np


def keras_operator(kernel, sizes, strides=1, padding="same", dilation_rate=1, explicit=None):
    """The matrix of `keras.ops.conv`, column by column from unit vectors."""
    shape = (*sizes, kernel.shape[-2])
    basis = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    if explicit is not None:
        basis, padding = np.pad(basis, [(0, 0), *explicit, (0, 0)]), "valid"
    images = keras.ops.conv(
        basis, kernel, strides, padding, data_format="channels_last", dilation_rate=dilation_rate
    )
    return keras.ops.convert_to_numpy(images).reshape(len(basis), -1).T


def loop_operator(kernel, sizes, strides, dilations, befores, outputs, circular=False, groups=1):
    """The matrix of a convolution from its definition, entry by entry."""
    *spatial, inputs, filters = kernel.shape
    operator = np.zeros((*outputs, filters, *sizes, inputs * groups))
    for output in np.ndindex(*outputs):
        for tap in np.ndindex(*spatial):
            position = [
                i * s + t * d - b
                for i, s, t, d, b in zip(output, strides, tap, dilations, befores, strict=True)
            ]
            if circular:
                position = [p % n for p, n in zip(position, sizes, strict=True)]
            elif not all(0 <= p < n for p, n in zip(position, sizes, strict=True)):
                continue
            for c, f in itertools.product(range(inputs), range(filters)):
                group = f // (filters // groups)
                operator[(*output, f, *position, group * inputs + c)] += kernel[(*tap, c, f)]
    return operator.reshape(int(np.prod(outputs)) * filters, -1)


def norm(operator):
    """Largest singular value, by a full SVD."""
    return np.linalg.norm(operator, 2)


def fine_supremum(kernel, strides=None, points=97):
    """Largest singular value of the polyphase response on a fine grid of frequencies."""
    spatial = kernel.shape[:-2]
    strides = strides or (1,) * len(spatial)
    largest = 0.0
    for frequency in itertools.product(np.linspace(0.0, 1.0, points), repeat=len(spatial)):
        response = {}
        for tap in np.ndindex(*spatial):
            phase = tuple(t % s for t, s in zip(tap, strides, strict=True))
            turn = sum(w * (t // s) for w, t, s in zip(frequency, tap, strides, strict=True))
            term = kernel[tap] * np.exp(-2j * np.pi * turn)
            response[phase] = response.get(phase, 0.0) + term
        largest = max(largest, np.linalg.norm(np.concatenate(list(response.values())), 2))
    return largest
