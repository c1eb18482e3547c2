"""Kernels as int8 numbers with one float32 scale per output channel, of certified networks.

A kernel K of n output channels is stored as integers Q in [-127, 127] and scales s,

    K' = float32(Q) · s,    s_j = max_i |K_ij| / 127,

one float32 rounding per entry, which a runtime repeats bit by bit. What is certified is the network
with K' in place of K: everything else, activations included, stays in float32. A kernel that is
used twice, as a flow's A and Aᵀ, is stored once, and both products are made of it. Where a
`SpectralBound` holds K, the scales shrink together until K' is inside it, too: a 1-Lipschitz layer
stays one.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from lipzoo.constraints import SpectralBound
from lipzoo.layers._constrained import array
from lipzoo.spectral import gram_norm_bound

LEVELS = 127
# Room for the rounding of a norm's evaluation in float32, see `SpectralBound`.
_INSIDE = 1 - 2.0**-16
# Nearly orthogonal kernels have close singular values, whose bound tightens slowly.
_ITERATIONS = 8


@dataclass(frozen=True)
class QuantisedKernel:
    """A kernel as integers and scales.

    Args:
        path: the variable's path in the model.
        integers: int8, shape of the kernel.
        scales: float32, shape `(output channels,)`.
    """

    path: str
    integers: np.ndarray
    scales: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """The float32 products, as a runtime computes them."""
        return self.integers.astype("float32") * self.scales


def quantised(kernel: np.ndarray, path: str = "", constraint: Any = None) -> QuantisedKernel:
    """A float32 kernel as int8 numbers and scales, inside its constraint if that is a bound.

    Raises:
        ValueError: if an entry is not finite.

    Example:
        >>> kernel = quantised(np.array([[127.0, 0.5], [-64.2, 0.25]], "float32"))
        >>> kernel.integers.tolist()
        [[127, 127], [-64, 64]]
        >>> kernel.values.round(3).tolist()
        [[127.0, 0.5], [-64.0, 0.252...]]
    """
    if not np.isfinite(kernel).all():
        raise ValueError(f"Expected finite weights. Received: NaN or infinity in {path!r}")
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    scales = np.where(largest > 0, largest / LEVELS, 1).astype("float32")
    scales = np.maximum(scales, np.finfo("float32").tiny)
    integers = np.clip(np.rint(kernel / scales), -LEVELS, LEVELS).astype("int8")
    found = QuantisedKernel(path, integers, scales)
    if isinstance(constraint, SpectralBound):
        limit = constraint.bound * _INSIDE
        while (norm := _norm(found.values, constraint)) > limit:
            scales = (found.scales * (limit * _INSIDE / norm)).astype("float32")
            found = QuantisedKernel(path, integers, scales)
    return found


@contextlib.contextmanager
def quantised_kernels(model: keras.Model) -> Iterator[list[QuantisedKernel]]:
    """Puts a model's kernels in int8 and back again; inside, the model computes with the products.

    Kernels are the float32 weights of rank 2 or more with "kernel" in their name.

    Raises:
        ValueError: if there are none.
    """
    variables = [v for v in model.weights if _is_kernel(v)]
    if not variables:
        raise ValueError(
            "quantize='int8' expects a model with float32 kernels. "
            f"Received: model {model.name!r} without"
        )
    before = [array(variable) for variable in variables]
    try:
        kernels = []
        for variable, kernel in zip(variables, before, strict=True):
            kernels.append(quantised(kernel, variable.path, variable.constraint))
            variable.assign(kernels[-1].values)
        yield kernels
    finally:
        for variable, kernel in zip(variables, before, strict=True):
            variable.assign(kernel)


def description(kernels: Sequence[QuantisedKernel], from_sha256: str) -> dict:
    """What a certificate says of the quantisation."""
    return {
        "weights": "int8",
        "scales": "float32, one per output channel",
        "activations": "float32",
        "kernels": len(kernels),
        "from_sha256": from_sha256,
    }


def _is_kernel(variable):
    return "kernel" in variable.name and len(variable.shape) > 1 and variable.dtype == "float32"


def _norm(values, constraint):
    bound = gram_norm_bound(
        ops.convert_to_tensor(values), strides=constraint.strides, iterations=_ITERATIONS
    )
    return float(ops.convert_to_numpy(bound))
