"""A classifier evaluated on a set of inputs, and how far rounding may have moved its logits."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lipzoo.bounds import LipschitzBound, lipschitz_bound
from lipzoo.bounds.model_bound import LinearHead
from lipzoo.bounds.tensor_bound import TensorBound
from lipzoo.certificates.arithmetic import check_arithmetic
from lipzoo.certificates.inputs import check_in_domain, input_names, joint_norms
from lipzoo.certificates.prediction import drop_outdated_prediction, predict
from lipzoo.certificates.rounding_error import (
    Uncertainty,
    bounded_uncertainty,
    errors_in_ball,
    measured_errors,
    probe,
)
from lipzoo.certificates.standardization import Standardization
from lipzoo.rounding import inflated


@dataclass(frozen=True)
class Evaluation:
    """What a model computed on some inputs x, or what follows its standardisation, on those.

    Attributes:
        logits: as computed; shape `(examples, classes)`.
        bound: the `LipschitzBound` of what radii are asked of.
        norms: upper bounds of `||x||`, of the standardised x where that is what is asked.
        errors, sizes: see `measured_errors`, over all layers; `None` where they were not measured.
        entry: `None`, or the roundoff and the sizes that the error of a standardised input is
            relative to, see `Standardization`.
    """

    logits: np.ndarray
    bound: LipschitzBound
    norms: np.ndarray
    errors: list | None
    sizes: list | None
    entry: tuple[float, np.ndarray] | None = None

    def at_x(self) -> Uncertainty:
        """What rounding can do at x to the tensor that radii start from."""
        dtype = head_dtype(self.bound)
        if self.errors is None or self.sizes is None:
            return self._bounded(0.0, dtype)
        last = _layers_to_margin(self.bound)
        return Uncertainty(self.errors[last], self.sizes[last] + self.errors[last], dtype)

    def in_ball(self, radius, centre: "Evaluation") -> Uncertainty:
        """The same at every x' within `radius` of x.

        Args:
            radius: of the balls, shape `(examples,)`.
            centre: this evaluation, or another one of the same network on the same inputs.
        """
        dtype = head_dtype(self.bound)
        if self.sizes is None or centre.sizes is None:
            # Between the layers of this network may be casts that round, where the other has none.
            return self._bounded(radius, dtype)
        layers, entry = _layers_to_margin(self.bound), _entry_error(self, radius)
        error, norm = errors_in_ball(self.bound, layers, centre.sizes, radius, entry)
        return Uncertainty(error, norm, dtype)

    def _bounded(self, radius, dtype, tensor=None) -> Uncertainty:
        """What follows from the weights alone, all over a ball."""
        entry = 0.0 if self.entry is None else _entry_error(self, radius)
        tensor = margin_tensor(self.bound) if tensor is None else tensor
        return bounded_uncertainty(tensor, self.norms + radius, dtype, entry)

    def logit_error(self) -> np.ndarray:
        """Upper bound of the Euclidean rounding error of the logits at x."""
        if self.errors is None:
            return self._bounded(0.0, None, self.bound.output).error
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


def _entry_error(evaluation: Evaluation, radius=0.0) -> np.ndarray:
    """Upper bounds of the error that an input comes with, within a radius of x."""
    rate, sizes = evaluation.entry or (evaluation.bound.input_roundoff, evaluation.norms)
    return inflated(rate * (sizes + radius), operations=2)


def evaluate(
    model,
    arrays,
    by_name: bool,
    batch_size: int,
    rounding: bool,
    verbose,
    scale: Standardization | None = None,
    method: str = "product",
    domain: Any = None,
) -> Evaluation:
    """Runs a model, and with `rounding` measures what its rounding errors grow with.

    Args:
        model: the classifier.
        arrays: one array per input.
        by_name: whether the model takes a dict of them.
        batch_size, verbose: as in `keras.Model.predict`.
        rounding: whether rounding errors matter.
        scale: the standardisation that the model begins with, where the evaluation of the rest is
            asked for.
        method, domain: of the bound, see `lipschitz_bound`.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: if an input is not in the domain, the rounding error of a layer is not known,
            the backend does not compute in the model's arithmetic, or the logits are not finite or
            have a wrong shape.
    """
    bound = scale.rest if scale else lipschitz_bound(model, method, domain=domain)
    if bound.domain is not None:
        check_in_domain(bound.domain, arrays)
    if rounding:
        check_arithmetic(model)
        _check_rounding(bound)
    measuring = probe(model) if rounding else None
    inputs = arrays[0] if len(arrays) == 1 else arrays
    if by_name and measuring is None:
        inputs = dict(zip(input_names(model), arrays, strict=True))
    if measuring is None:
        outputs = predict(model, inputs, batch_size, verbose)
    else:
        drop_outdated_prediction(model)
        outputs = measuring.model.predict(inputs, batch_size=batch_size, verbose=verbose)
    logits = _check_logits(outputs[0] if measuring else outputs, len(arrays[0]))
    norms, entry = joint_norms(arrays), None
    if scale is not None:
        norms, spread = scale.sizes(arrays[0])
        entry = (scale.roundoff, spread)
    found = Evaluation(logits, bound, norms, None, None, entry)
    if not measuring or any(row.bound.rounding_slope is None for row in bound.layers):
        return found
    # The standardisation, if it is looked at apart, is the first layer of the chain.
    measured = measuring.upper_norms(outputs[1])[:, -len(bound.layers) :]
    errors, sizes = measured_errors(bound, norms, _entry_error(found), measured)
    return replace(found, errors=errors, sizes=sizes)


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
