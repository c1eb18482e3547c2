"""Padded, strided convolution and its exact adjoint, in `keras.ops`.

Both take tensors `(batch, *spatial, channels)`, a kernel `(*size, channels, filters)` without
groups or dilation, and margins `(before, after)` per spatial axis, of zeros or, where `circular`,
of what stands on the other side (then also negative, for positions that are left out).
"""

from typing import Any

from keras import ops


def convolve(inputs, kernel, strides, margins, circular=False):
    """Returns `A x`, the convolution (cross-correlation) of the padded inputs.

    Example:

    >>> import numpy as np
    >>> x, kernel = np.arange(4.0).reshape(1, 4, 1), np.ones((2, 1, 1))
    >>> np.ravel(convolve(x, kernel, strides=(1,), margins=[(0, 1)], circular=True)).tolist()
    [1.0, 3.0, 5.0, 3.0]
    """
    if not circular and _is_same(kernel, strides, margins):
        return ops.conv(inputs, kernel, 1, "same", data_format="channels_last")
    padded = _wrap(inputs, margins) if circular else _pad(inputs, [(0, 0), *margins, (0, 0)])
    if len(set(strides)) == 1:
        return ops.conv(padded, kernel, strides, "valid", data_format="channels_last")
    # TensorFlow's convolution on CPUs is wrong for some unequal strides.
    outputs = ops.conv(padded, kernel, 1, "valid", data_format="channels_last")
    return outputs[(slice(None), *(slice(None, None, stride) for stride in strides))]


def convolve_adjoint(outputs, kernel, strides, margins, sizes, circular=False):
    """Returns `Aᵀ y` for the operator of `convolve` on inputs with the spatial shape `sizes`.

    The adjoint of each step in reverse: the transposed convolution, then the margins are cropped
    or added back where they came from.

    Example:

    >>> import numpy as np
    >>> y, kernel = np.arange(4.0).reshape(1, 4, 1), np.ones((2, 1, 1))
    >>> x = convolve_adjoint(y, kernel, (1,), margins=[(0, 1)], sizes=(4,), circular=True)
    >>> np.ravel(x).tolist()
    [3.0, 1.0, 3.0, 5.0]
    """
    if not circular and _is_same(kernel, strides, margins):
        return ops.conv_transpose(outputs, kernel, 1, "same", data_format="channels_last")
    if len(set(strides)) > 1:
        outputs, strides = _spread(outputs, strides), 1
    padded: Any = ops.conv_transpose(outputs, kernel, strides, "valid", data_format="channels_last")
    for axis, ((before, after), length) in enumerate(zip(margins, sizes, strict=True), start=1):
        # Trailing pixels that no window reaches.
        missing = max(before + length + after - padded.shape[axis], 0)
        padded = _pad_axis(padded, axis, (0, missing))
        if circular:
            padded = _unwrap(padded, axis, before, length, after)
        else:
            padded = _slice(padded, axis, before, before + length)
    return padded


def shift_cyclically(inputs, steps):
    """Returns `inputs` with every spatial axis shifted by its number of pixels, around the end.

    As `ops.roll`, which some formats that networks are exported to do not have. (In a split, unlike
    in slices, gradients cost no more than the shift back.) The adjoint is that shift.

    Example:

    >>> x = ops.reshape(ops.arange(4), (1, 4, 1))
    >>> ops.convert_to_numpy(shift_cyclically(x, (1,))).ravel().tolist()
    [3, 0, 1, 2]
    """
    for axis, step in enumerate(steps, start=1):
        if step := step % inputs.shape[axis]:
            first, last = ops.split(inputs, [inputs.shape[axis] - step], axis=axis)
            inputs = ops.concatenate([last, first], axis=axis)
    return inputs


def _is_same(kernel, strides, margins):
    """Whether margins of zeros are those that every backend means by "same" and its adjoint."""
    halves = [(size // 2, size // 2) for size in kernel.shape[:-2]]
    odd = all(size % 2 for size in kernel.shape[:-2])
    return odd and set(strides) == {1} and [tuple(margin) for margin in margins] == halves


def _wrap(inputs, margins):
    # ops.pad(mode="wrap") does not exist on every backend.
    for axis, (before, after) in enumerate(margins, start=1):
        if before or after:
            runs = _runs(before, inputs.shape[axis], after)
            pieces = [_slice(inputs, axis, start, stop) for start, stop in runs]
            inputs = ops.concatenate(pieces, axis=axis)
    return inputs


def _unwrap(padded, axis, before, length, after):
    """The adjoint of wrapping one axis: adds up what came from the same position."""
    total, offset = 0.0, 0
    for start, stop in _runs(before, length, after):
        piece = _slice(padded, axis, offset, offset + stop - start)
        total = total + _pad_axis(piece, axis, (start, length - stop))
        offset += stop - start
    return total


def _runs(before, length, after):
    """The positions `-before ... length + after - 1` of a cycle as runs `(start, stop)`."""
    runs, left = [], before + length + after
    start = -before % length
    while left:
        stop = min(length, start + left)
        runs.append((start, stop))
        left -= stop - start
        start = 0
    return runs


def _spread(outputs, strides):
    """Puts `stride - 1` zeros between neighbours, the adjoint of taking every stride-th."""
    for axis, stride in enumerate(strides, start=1):
        shape, length = tuple(outputs.shape), outputs.shape[axis]
        outputs = _pad_axis(ops.expand_dims(outputs, axis + 1), axis + 1, (0, stride - 1))
        outputs = ops.reshape(outputs, (-1, *shape[1:axis], length * stride, *shape[axis + 1 :]))
        outputs = _slice(outputs, axis, 0, (length - 1) * stride + 1)
    return outputs


def _slice(tensor, axis, start, stop):
    return tensor[(slice(None),) * axis + (slice(start, stop),)]


def _pad_axis(tensor, axis, margin):
    return _pad(tensor, [margin if i == axis else (0, 0) for i in range(len(tensor.shape))])


def _pad(tensor, margins):
    return ops.pad(tensor, margins) if any(map(any, margins)) else tensor
