"""What cannot be constrained, and what to put instead."""

from collections.abc import Callable
from typing import Any

import keras

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.keras_internals import numpy_operations

_PRODUCT = (
    "keras.layers.Add or Concatenate: a product of two tensors has no Lipschitz constant, and a "
    "gate is best left out"
)
_ATTENTION = "keras.layers.Conv1D along the sequence: a product of two tensors has no constant"
_NORM = "nothing, or keras.layers.BatchNormalization, which is folded into the layer before it"
_RECURRENT = "keras.layers.Conv1D along the sequence"
_VOLUME = "the 2-D layer on slices"
_UNWRAPPED = "the layer that it wraps"

_INSTEAD = {
    "Multiply": _PRODUCT,
    "Dot": _PRODUCT,
    "MultiHeadAttention": _ATTENTION,
    "GroupQueryAttention": _ATTENTION,
    "Attention": _ATTENTION,
    "AdditiveAttention": _ATTENTION,
    "LayerNormalization": _NORM,
    "GroupNormalization": _NORM,
    "RMSNormalization": _NORM,
    "UnitNormalization": _NORM,
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "SimpleRNN": _RECURRENT,
    "RNN": _RECURRENT,
    "Bidirectional": _RECURRENT,
    "ConvLSTM1D": _RECURRENT,
    "ConvLSTM2D": _RECURRENT,
    "Conv3D": _VOLUME,
    "Conv3DTranspose": _VOLUME,
    "AveragePooling3D": _VOLUME,
    "MaxPooling3D": _VOLUME,
    "TimeDistributed": _UNWRAPPED,
    "SpectralNormalization": _UNWRAPPED,
    "EinsumDense": "keras.layers.Dense",
    "Embedding": "keras.layers.Dense on one-hot inputs",
    "Lambda": "keras.ops, or a class with a method lipschitz_bound(self, input_shape)",
    "UnitNormDense": "keras.layers.Dense",
    "LayerScale": "lipzoo.layers.ChannelScale",
    "ChannelScale": "the same layer with scale_constraint=lipzoo.constraints.MaxModulus(1.0)",
    "GradientFlowDense": "the same layer after lipzoo.project(layer)",
    "GradientFlowConv1D": "the same layer after lipzoo.project(layer)",
    "GradientFlowConv2D": "the same layer after lipzoo.project(layer)",
    "HamiltonianDense": "lipzoo.layers.GradientFlowDense",
    "HamiltonianConv1D": "lipzoo.layers.GradientFlowConv1D",
    "HamiltonianConv2D": "lipzoo.layers.GradientFlowConv2D",
}
_OPERATIONS = {
    getattr(numpy_operations, name): _PRODUCT
    for name in ("Multiply", "Divide", "TrueDivide", "Matmul", "Einsum", "Dot")
    if hasattr(numpy_operations, name)
}
_ANYTHING = (
    "a layer or operation that lipzoo.lipschitz_bound knows, or a class without weights that has "
    "a method lipschitz_bound(self, input_shape)"
)


class Refusals:
    """Collects what cannot be constrained, so that all of it is named at once."""

    def __init__(self):
        self._lines: dict[int, str] = {}

    def add(self, operation, reason: str, instead: str | None = None) -> None:
        """Notes that a layer cannot be constrained, why, and what to put instead.

        Args:
            operation: the layer or operation.
            reason: a full sentence.
            instead: what to put in its place; None for what fits its class, "" for nothing.
        """
        kind = type(operation)
        if instead is None:
            instead = _OPERATIONS.get(kind) or _INSTEAD.get(kind.__name__, _ANYTHING)
        line = f"- '{operation.name}' of class {kind.__name__}: {reason}"
        if instead:
            line += f" Put instead: {instead}."
        self._lines.setdefault(id(operation), line)

    def noted(self, operation, function: Callable[..., Any], *arguments):
        """What a function returns; None, and a refusal, where it raises one."""
        try:
            return function(*arguments)
        except UncertifiedLayerError as error:
            self.add(operation, error.reason)
        except ValueError as error:
            self.add(operation, str(error), instead="")
        return None

    def __bool__(self):
        return bool(self._lines)

    def raise_for(self, model: keras.Model) -> None:
        """Raises if anything was refused.

        Raises:
            ValueError: see there.
        """
        if self._lines:
            raise ValueError(
                f"Expected layers that can be constrained. Received: {len(self._lines)} in "
                f"'{model.name}' that cannot be:\n" + "\n".join(self._lines.values())
            )
