"""A network as the checker sees it: layers one after another, and the bound of all."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lipzoo_catalogue.checker import layers
from lipzoo_catalogue.checker.arguments import count
from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.layers import LayerBound
from lipzoo_catalogue.checker.operators import Operator, convolution_operator, patch_operator
from lipzoo_catalogue.checker.tensors import Tensors

# Keras divides by no standard deviation below this.
_SMALLEST_DEVIATION = 1e-7


class Network:
    """Layers in the order of the architecture, the shape that they have reached, and the bound.

    Args:
        tensors: the weights.
        shape: of one input, channels last.

    Attributes:
        bounds: the `LayerBound` of each layer by its name.
        total: encloses the bound of all layers so far.
    """

    def __init__(self, tensors: Tensors, shape: Sequence[int]):
        self.tensors = tensors
        *self.spatial, self.channels = shape
        self.bounds: dict[str, LayerBound] = {}
        self.total = layers.ONE

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.spatial)

    @property
    def size(self) -> int:
        """Number of entries of the present state."""
        return math.prod(self.spatial) * self.channels

    def record(self, name: str, bound: LayerBound) -> LayerBound:
        """Notes a layer's bound without multiplying it."""
        self.bounds[name] = bound
        return bound

    def add(self, name: str, bound: LayerBound) -> None:
        """Adds a layer behind the others."""
        self.total = self.total * self.record(name, bound).bound

    def isometry(self, name: str, how: str) -> None:
        """Adds a layer that moves or copies entries, or adds zeros."""
        self.add(name, layers.isometry(how))

    def standardize(self, normalization: object) -> None:
        """Adds `(x - mean) / √variance` along the last axis, if there is a normalization.

        Keras keeps the numbers in float32.
        """
        if normalization is None:
            return
        least = 0.0
        try:
            stated: Any = normalization
            variance = np.asarray(stated["variance"], "float32").astype("float64")
            least = float(variance.min())
            fits = variance.size in (1, self.channels) and least > 0 and np.isfinite(variance).all()
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(
                f"Expected a normalization with {self.channels} positive variances. "
                f"Received: normalization={normalization!r}"
            )
        deviation = Interval.exactly(least).sqrt()
        bound = layers.ONE / deviation.maximum(Interval.exactly(_SMALLEST_DEVIATION))
        self.add("normalization", LayerBound(bound, bound.low, "1 / smallest deviation"))

    def stem(self, block: int, halvings: int) -> None:
        """Zeros around the map up to sizes that divide, and blocks of pixels as channels."""
        multiple = block * 2**halvings
        sizes = [-(-size // multiple) * multiple for size in self.spatial]
        if sizes != self.spatial:
            self.isometry("stem_padding", "appends zeros")
        self.spatial = sizes
        if block > 1:
            self.space_to_depth("stem_space_to_depth", block)

    def space_to_depth(self, name: str, block: int = 2) -> None:
        """Blocks of pixels become channels."""
        self.spatial = [size // block for size in self.spatial]
        self.channels *= block**self.rank
        self.isometry(name, "permutation")

    def lift(self, name: str, channels: int) -> None:
        """Appends zero channels."""
        if channels < self.channels:
            raise ValueError(
                f"Expected at least {self.channels} channels after {name!r}. Received: {channels}"
            )
        self.channels = channels
        self.isometry(name, "zero channels")

    def flatten(self) -> None:
        """The map as one vector."""
        self.spatial, self.channels = [], self.size
        self.isometry("flatten", "moves entries")

    def window(self, axis: int) -> tuple[int, ...]:
        """The size of a window that spans one axis."""
        return tuple(size if i == axis else 1 for i, size in enumerate(self.spatial))

    def patches(
        self,
        name: str,
        window: Sequence[int],
        channels: int,
        outputs: int,
        suffix: str = "",
        use_bias: bool = True,
    ) -> tuple[Operator, np.ndarray]:
        """Kernel and bias on disjoint patches, or of a dense layer for the window `()`."""
        kernel = self.tensors.take(f"{name}.kernel{suffix}", (*window, channels, outputs))
        return patch_operator(kernel), self._bias(name, outputs, suffix, use_bias)

    def convolution(
        self, name: str, kernel_size: object, channels: int, outputs: object, suffix: str = ""
    ) -> tuple[Operator, np.ndarray]:
        """Kernel and bias of a convolution with stride 1 and zeros around the map."""
        size = count(kernel_size, "kernel_size", 1)
        filters = count(outputs, "filters", 1)
        shape = (*(size,) * self.rank, channels, filters)
        kernel = self.tensors.take(f"{name}.kernel{suffix}", shape)
        return convolution_operator(kernel, self.spatial), self._bias(name, filters, suffix, True)

    def dense(
        self, name: str, outputs: int, activation: object = None, use_bias: bool = True
    ) -> None:
        """Adds a dense layer on the channels."""
        operator, bias = self.patches(name, (), self.channels, outputs, use_bias=use_bias)
        self.channels = outputs
        self.add(name, layers.affine(operator, bias, activation))

    def residual(self, name: str, into: LayerBound, out: LayerBound) -> None:
        """Adds `x ↦ x + out(into(x))`: the bounds of both branches are added, 1 and a product."""
        self.record(f"{name}_in", into)
        self.record(f"{name}_out", out)
        self.total = self.total * (layers.ONE + into.bound * out.bound)
        # The sum alone, as a map of both branches together.
        root = Interval.exactly(2.0).sqrt()
        self.record(f"{name}_add", LayerBound(root, root.low, "sum of two branches"))

    def _bias(self, name: str, outputs: int, suffix: str, use_bias: bool) -> np.ndarray:
        if not use_bias:
            return np.zeros(outputs)
        return self.tensors.take(f"{name}.bias{suffix}", (outputs,))
