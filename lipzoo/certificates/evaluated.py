"""A classifier evaluated on a set of inputs, and how far rounding may have moved its logits."""

import math
from dataclasses import dataclass

import numpy as np

from lipzoo.bounds import LipschitzBound, lipschitz_bound
from lipzoo.bounds.result import LinearHead
from lipzoo.bounds.states import TensorBound
from lipzoo.certificates.inputs import joint_norms
from lipzoo.certificates.measured import (
    Uncertainty,
    bounded_uncertainty,
    errors_in_ball,
    measured_errors,
    probe,
    renew_prediction,
)


@dataclass(frozen=True)
class Evaluation:
    """What a model computed on some inputs.

    Attributes:
        logits: as computed; shape `(examples, classes)`.
        bound: the model's `LipschitzBound`.
        norms: upper bounds of `||x||`.
        errors, sizes: see `measured_errors`, over all layers; `None` where they were not measured.
    """

    logits: np.ndarray
    bound: LipschitzBound
    norms: np.ndarray
    errors: list | None
    sizes: list | None

    def at_x(self) -> Uncertainty:
        """What rounding can do at x to the tensor that radii start from."""
        dtype = head_dtype(self.bound)
        if self.errors is None:
            return bounded_uncertainty(margin_tensor(self.bound), self.norms, dtype)
        last = _layers_to_margin(self.bound)
        return Uncertainty(self.errors[last], self.sizes[last] + self.errors[last], dtype)

    def in_ball(self, radius, centre: "Evaluation") -> Uncertainty:
        """The same at every x' within `radius` of x.

        Args:
            radius: of the balls, shape `(examples,)`.
            centre: this evaluation, or another one of the same network on the same inputs.
        """
        dtype = head_dtype(self.bound)
        if centre.sizes is None:
            return bounded_uncertainty(margin_tensor(self.bound), self.norms + radius, dtype)
        layers = _layers_to_margin(self.bound)
        return Uncertainty(*errors_in_ball(self.bound, layers, centre.sizes, radius), dtype)

    def logit_error(self) -> np.ndarray:
        """Upper bound of the Euclidean rounding error of the logits at x."""
        if self.errors is None:
            return bounded_uncertainty(self.bound.output, self.norms, None).error
        return self.errors[-1]


def pair_head(bound: LipschitzBound) -> LinearHead | None:
    """The linear head of a model with several logits, whose pairs are looked at one by one."""
    head = bound.head
    return None if head is None or head.kernel.shape[1] == 1 else head


def margin_tensor(bound: LipschitzBound) -> TensorBound:
    """The tensor that radii start from: the features of a linear head, or else the logits."""
    head = pair_head(bound)
    return bound.output if head is None else head.features


def head_dtype(bound: LipschitzBound) -> str | None:
    """The arithmetic of what follows the margin tensor; `None` when nothing does."""
    head = pair_head(bound)
    return None if head is None else head.dtype


def evaluate(model, arrays, by_name: bool, batch_size: int, rounding: bool, verbose) -> Evaluation:
    """Runs a model, and with `rounding` measures what its rounding errors grow with.

    Args:
        model: the classifier.
        arrays: one array per input.
        by_name: whether the model takes a dict of them.
        batch_size, verbose: as in `keras.Model.predict`.
        rounding: whether rounding errors matter.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: if the rounding error of a layer is not known, or the logits are not finite or
            have a wrong shape.
    """
    bound = lipschitz_bound(model)
    if rounding:
        _check_rounding(bound)
    measuring = probe(model) if rounding else None
    inputs = arrays[0] if len(arrays) == 1 else arrays
    if by_name:
        inputs = {tensor.name: array for tensor, array in zip(model.inputs, arrays)}
    if measuring is None:
        renew_prediction(model)
    computed = measuring.model if measuring else model
    outputs = computed.predict(inputs, batch_size=batch_size, verbose=verbose)
    logits = _check_logits(outputs[0] if measuring else outputs, len(arrays[0]))
    norms = joint_norms(arrays)
    errors = sizes = None
    if measuring and all(row.bound.rounding_slope is not None for row in bound.layers):
        errors, sizes = measured_errors(bound, norms, measuring.upper_norms(outputs[1]))
    return Evaluation(logits, bound, norms, errors, sizes)


def _layers_to_margin(bound: LipschitzBound) -> int:
    """Number of layers of a chain up to the margin tensor."""
    names = [row.name for row in bound.layers]
    head = pair_head(bound)
    return len(names) if head is None else len(names) - 1 - names[::-1].index(head.name)


def _check_rounding(bound: LipschitzBound):
    tensor = margin_tensor(bound)
    if tensor.bound.rounding_slope is None:
        raise ValueError(
            f"The rounding error of {', '.join(map(repr, tensor.unknown))} is not known. Give the "
            "LayerBound of these layers a rounding_slope and a rounding_offset, or certify the "
            "network in exact arithmetic with rounding=False."
        )
    if math.isinf(tensor.bound.offset):
        raise ValueError(
            f"The rounding error of model '{bound.name}' is unbounded, because the norm of a "
            "layer's output is: its input has a size that is not fixed. Build the model with a "
            "fixed input shape, or certify the network in exact arithmetic with rounding=False."
        )


def _check_logits(logits, examples: int) -> np.ndarray:
    if not isinstance(logits, np.ndarray) or logits.ndim != 2 or len(logits) != examples:
        shape = getattr(logits, "shape", type(logits).__name__)
        raise ValueError(
            f"Expected a model that returns logits of shape (batch, classes). Received: {shape}"
        )
    if not np.all(np.isfinite(logits.astype("float64"))):
        raise ValueError(
            "Expected finite logits. Received: NaN or infinity from the model; its computation "
            "overflows on these inputs"
        )
    return logits
