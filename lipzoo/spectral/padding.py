"""Padding of convolutions: what Keras does, and circular padding."""

import operator

CIRCULAR = "circular"


def standardize_padding(padding, rank):
    """Returns one of `"same"`, `"valid"`, `"circular"` or a pair `(before, after)` per axis.

    Raises:
        ValueError: for any other padding.

    Example:
        >>> standardize_padding((1, 0), rank=2)
        ((1, 0), (1, 0))
    """
    if isinstance(padding, str):
        if padding in ("same", "valid", CIRCULAR):
            return (padding,) * rank
    else:
        try:
            pairs = tuple(padding)
            if len(pairs) == 2 and not any(map(_is_sequence, pairs)):
                pairs = (pairs,) * rank
            pairs = tuple(tuple(map(operator.index, pair)) for pair in pairs)
        except TypeError:
            pairs = ()
        if len(pairs) == rank and all(len(pair) == 2 and min(pair) >= 0 for pair in pairs):
            return pairs
    raise ValueError(
        'padding must be "same", "valid", "circular", a pair (before, after) of non-negative '
        f"integers or one pair per spatial axis. Received: padding={padding!r}"
    )


def _is_sequence(value):
    return hasattr(value, "__len__")


def margins(length, size, stride, dilation, padding) -> tuple[int, int]:
    """Returns how many positions the padding adds before and after an axis.

    `"same"` gives `ceil(length / stride)` outputs, with the odd position after the input, as
    TensorFlow and Keras have it. Circular padding wraps `extent - stride` positions around.

    Args:
        length: positions of the input.
        size, stride, dilation: of the convolution, along this axis.
        padding: an element of what `standardize_padding` returns.

    Raises:
        ValueError: if there is no output, or the stride does not divide the length of a cycle.

    Example:
        >>> margins(length=4, size=3, stride=2, dilation=1, padding="same")
        (0, 1)
    """
    extent = (size - 1) * dilation + 1
    if padding == CIRCULAR:
        if length % stride:
            raise ValueError(
                "Circular padding needs an input_size that is a multiple of the strides. "
                f"Received: input size {length}, stride {stride}"
            )
        before = (extent - stride) // 2
        return before, extent - stride - before
    if padding == "same":
        total = max((-(-length // stride) - 1) * stride + extent - length, 0)
        return total // 2, total - total // 2
    before, after = (0, 0) if padding == "valid" else padding
    if length + before + after < extent:
        raise ValueError(
            "input_size and padding must cover the kernel. "
            f"Received: input size {length}, padding {(before, after)}, kernel extent {extent}"
        )
    return before, after


def cycle_length(length, taps, size, stride, dilation, padding) -> int:
    """Number of output positions of a cycle on which the convolution on this axis is embedded.

    With circular padding it is the operator's own cycle. With zero padding, L input positions, a
    multiple of the stride, such that the operator is that of the cycle restricted to the input and
    to its outputs: position `i s + t d - before` of an output i must be in the input modulo L
    exactly if it is in the input, so `L >= length - (smallest position)` and
    `L > (largest position)`.

    Args:
        taps: indices of the taps that are not zero.
        length, size, stride, dilation, padding: as for `margins`.

    Example:
        >>> cycle_length(28, range(3), size=3, stride=1, dilation=1, padding="same")
        29
    """
    before, after = margins(length, size, stride, dilation, padding)
    if padding == CIRCULAR:
        return length // stride
    outputs = (length + before + after - (size - 1) * dilation - 1) // stride + 1
    smallest = min(taps) * dilation - before
    largest = (outputs - 1) * stride + max(taps) * dilation - before
    return max(-(-max(length, length - smallest, largest + 1) // stride), outputs)
