"""The constraint that keeps the operator norm of a grouped convolution below a bound."""

import math

import keras
from keras import ops

from lipzoo.constraints._kernel import KernelConstraint, checked_bound, positive, targets
from lipzoo.spectral.grouped import grouped_norm_bounds
from lipzoo.validation import integer, integers


@keras.saving.register_keras_serializable(package="lipzoo")
class GroupedSpectralBound(KernelConstraint):
    """Keeps the operator norm of a grouped or depthwise convolution at most `bound`.

    A convolution in groups maps every group of channels to filters of its own, so its norm is the
    largest of the groups' norms. Each group's kernel whose proven bound
    (`lipzoo.spectral.grouped_norm_bounds`) exceeds `bound` less a margin is divided by it; the
    others are returned unchanged. What is proven, and what the margin is for, is as in
    `SpectralBound`, which does for a single group.

    Args:
        bound: largest operator norm, a positive finite float.
        groups: number of groups of a kernel `(*kernel_size, channels / groups, filters)`; None for
            a depthwise kernel `(*kernel_size, channels, multiplier)`, of as many groups as
            channels.
        strides: strides of the convolution that the kernel belongs to, int or tuple.
        iterations: Gram iterations of the proven bound; more are tighter and cost more.

    Raises:
        ValueError: if an argument is outside its range, or the kernel is not of rank 3 or 4, or its
            filters are not divisible by the groups.

    Example:

    >>> import numpy as np
    >>> kernel = np.zeros((3, 3, 2, 1), "float32")
    >>> kernel[1, 1, :, 0] = [5.0, 0.5]
    >>> projected = keras.ops.convert_to_numpy(GroupedSpectralBound(1.0)(kernel))
    >>> projected[1, 1, :, 0].astype("float64").round(2).tolist()
    [0.96, 0.5]
    """

    def __init__(self, bound=1.0, groups=None, strides=1, iterations=4):
        several = isinstance(strides, list | tuple)
        sizes = integers(strides, len(strides) if several else 1, "strides")
        self.bound = checked_bound(bound)
        self.groups = None if groups is None else integer(groups, "groups")
        self.strides = sizes if several else sizes[0]
        self.iterations = integer(iterations, "iterations", 0)

    def __call__(self, w):
        shape = tuple(w.shape)
        if len(shape) not in (3, 4) or (self.groups and shape[-1] % self.groups):
            raise ValueError(
                "GroupedSpectralBound takes kernels of 1-D and 2-D convolutions, of rank 3 and 4, "
                f"with filters for {self.groups or 'all'} groups. Received: shape={shape}"
            )
        return self._projected(w)

    def get_config(self):
        return {
            "bound": self.bound,
            "groups": self.groups,
            "strides": self.strides,
            "iterations": self.iterations,
        }

    def _project(self, kernel, storage):
        shape = tuple(kernel.shape)
        if self.groups is None:
            kernel = ops.reshape(kernel, (*shape[:-2], 1, math.prod(shape[-2:])))
        groups = self.groups or shape[-2]
        *size, channels, filters = kernel.shape
        target, inside = targets(self.bound, (*size, channels, filters // groups), storage)
        norms = grouped_norm_bounds(
            kernel, groups, strides=self.strides, iterations=self.iterations
        )
        factors = ops.where(norms > inside, target / positive(norms), ops.ones_like(norms))
        return ops.reshape(kernel * ops.repeat(factors, filters // groups), shape)
