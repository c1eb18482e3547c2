"""One recorded call of one of the `keras.ops`."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.rules._numbers import as_constants
from lipzoo.bounds.tensor_bound import broadcast_copies
from lipzoo.rounding import sqrt_up


@dataclass(frozen=True)
class Call:
    """One recorded call of an operation on a single tensor.

    Attributes:
        operation: the operation.
        arguments: names and values of the arguments, in order; the tensor among them.
        input_shape, output_shape: with the batch axis.
        dtype: type of the result.
    """

    operation: Any
    arguments: dict
    input_shape: tuple
    output_shape: tuple
    dtype: str

    def constants(self) -> list:
        """The arguments that are no tensors of the graph."""
        return [v for v in self.arguments.values() if not isinstance(v, keras.KerasTensor)]

    def constant(self) -> np.ndarray:
        """Absolute values of the other operand of a binary operation, as a float64 array."""
        others = self.constants()
        if len(others) != 1:
            raise UncertifiedLayerError(self.operation, "Its arguments are not understood.")
        array = as_constants(others[0])
        if not np.all(np.isfinite(array)):
            raise ValueError(
                f"Expected the constant in operation '{self.operation.name}' to be finite. "
                f"Received: {array!r}"
            )
        rank = len(self.output_shape)
        if array.ndim > rank or (array.ndim == rank and array.shape[0] != 1):
            raise UncertifiedLayerError(
                self.operation, "Its constant operand has values along the batch axis."
            )
        return array

    def refuse_batch_axis(self, axes):
        """Raises unless `axes` are given and none of them is the batch axis."""
        rank = max(len(self.input_shape), len(self.output_shape))
        axes = axes if isinstance(axes, list | tuple) else [axes]
        if any(axis is None or axis % rank == 0 for axis in axes):
            raise UncertifiedLayerError(self.operation, "It acts along the batch axis.")

    def copies(self) -> float:
        """Root of the number of times each entry is copied by broadcasting."""
        copies = broadcast_copies(self.input_shape, self.output_shape)
        if copies is None:
            raise UncertifiedLayerError(self.operation, "It broadcasts to an unknown size.")
        return sqrt_up(float(copies))
