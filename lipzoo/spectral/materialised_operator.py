"""Small convolutions as the matrices that they are."""

import math

import numpy as np

# The cost of a verified norm, at most: that of a 512 x 512 symmetric eigenvalue problem.
_LARGEST_SIDE = 512
_LARGEST_SIZE = 2**22


def small_operator(kernel, sizes, strides, dilations, pads, groups) -> np.ndarray | None:
    """The matrices of a zero-padded convolution on small inputs, one for each group.

    Args:
        kernel: `(size, inputs, filters)` or `(height, width, inputs, filters)`.
        sizes: spatial size of the input.
        strides, dilations: one per axis.
        pads: zeros before and after, one pair per axis.
        groups: number of groups.

    Returns:
        Array `(groups, positions * inputs, positions * filters / groups)`, the kernel's own values
        and zeros; `None` if that is so large that its norm would take long.

    Example:
        >>> kernel = np.array([1.0, 2.0]).reshape(2, 1, 1)
        >>> small_operator(kernel, (3,), (1,), (1,), ((0, 0),), groups=1)
        array([[[1., 0.],
                [2., 1.],
                [0., 2.]]])
    """
    inputs, filters = kernel.shape[-2:]
    outputs = [
        (length + sum(pad) - (size - 1) * dilation - 1) // stride + 1
        for length, pad, size, dilation, stride in zip(
            sizes, pads, kernel.shape[:-2], dilations, strides, strict=True
        )
    ]
    rows, columns = math.prod(sizes) * inputs, math.prod(outputs) * filters // groups
    if min(rows, columns) > _LARGEST_SIDE or rows * columns * groups > _LARGEST_SIZE:
        return None
    operator = kernel
    for length, output, stride, dilation, (before, _) in zip(
        sizes, outputs, strides, dilations, pads, strict=True
    ):
        # Each pair of an input and an output position meets in one tap at most: sums are exact.
        taps = np.arange(operator.shape[0])[:, np.newaxis, np.newaxis]
        position = np.arange(length)[:, np.newaxis]
        window = np.arange(output) * stride - before
        meets = (window + taps * dilation == position).astype(np.float64)
        operator = np.moveaxis(np.tensordot(meets, operator, axes=(0, 0)), (0, 1), (-2, -1))
    # Axes: inputs, filters, then an input and an output position for each spatial axis.
    operator = operator.reshape(inputs, groups, filters // groups, *operator.shape[2:])
    spatial = range(3, operator.ndim)
    operator = operator.transpose(1, *spatial[::2], 0, *spatial[1::2], 2)
    return operator.reshape(groups, rows, columns)
