"""A claimed Lipschitz constant, held against a proven bound and against what a search finds."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from lipzoo.bounds import (
    LayerBound,
    LipschitzBound,
    UncertifiedLayer,
    UncertifiedLayerError,
    lipschitz_bound,
    uncertified_layers,
)
from lipzoo.bounds.tensor_bound import TensorBound
from lipzoo.certificates.arithmetic import check_arithmetic
from lipzoo.certificates.float64_reference import AUTO, resolved_reference
from lipzoo.certificates.inputs import check_inputs, joint_norms
from lipzoo.certificates.prediction import check_runs_as_recorded
from lipzoo.certificates.rounding_error import bounded_uncertainty, probe
from lipzoo.evaluation.balls import difference
from lipzoo.evaluation.ratio_search import search_ratios
from lipzoo.rounding import deflated, inflated, norm_up
from lipzoo.validation import finite_number, integer
from lipzoo_catalogue.files import replacing
from lipzoo_catalogue.formatting import format_down, format_up

CONFIRMED, REFUTED, NOT_CONFIRMED = "confirmed", "refuted", "not confirmed"
EXCEEDED = "exceeded as computed"
VERDICTS = (CONFIRMED, REFUTED, EXCEEDED, NOT_CONFIRMED)
# Pairs are searched at these distances: derivatives are seen at the first, kinks between two points
# at the last.
_DISTANCES = (0.1, 1.0)
# So many of the pairs with the largest ratios are measured with their rounding errors.
_MEASURED = 16
_RANDOM_EXAMPLES = 64


class AuditContradiction(RuntimeError):
    """A pair of inputs refutes a proven bound: a bug, of lipzoo or of the arithmetic.

    Attributes:
        audit: the whole `Audit`, with the pair.
    """

    def __init__(self, message: str, audit: "Audit"):
        super().__init__(message)
        self.audit = audit


@dataclass(frozen=True, eq=False)
class Audit:
    """What became of the claim that a network's Lipschitz constant is at most so much.

    Attributes:
        name: name of the model.
        claim: the claimed constant, in the Euclidean norms of input and output.
        bound: the proven bound, for all inputs, in exact arithmetic; `None` where a layer has none.
        uncertified: the layers without one; empty where there is a bound.
        ratio: the largest `‖f(a) - f(b)‖ / ‖a - b‖` that the search found, from outputs as
            computed.
        proven_ratio: what that of the stored pair is at least: of the network in exact arithmetic,
            whatever rounding did, and so a proven lower bound of its Lipschitz constant. Where
            rounding is not known (`unbounded`), of the numbers that were computed, rounding
            included, which proves nothing of the network.
        unbounded: why rounding errors are not bounded; empty where they are.
        pair: the inputs a and b of `proven_ratio`, shape `(2, ...)`.
        outputs: `f(a)` and `f(b)`, as computed in the type that they have, shape `(2, ...)`.
        examples: how many inputs the search started from.
    """

    name: str
    claim: float
    bound: float | None
    uncertified: str
    ratio: float
    proven_ratio: float
    unbounded: str
    pair: np.ndarray = field(repr=False)
    outputs: np.ndarray = field(repr=False)
    examples: int

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`, see `audit`."""
        if self.bound is not None and self.bound <= self.claim:
            return CONFIRMED
        if self.proven_ratio <= self.claim:
            return NOT_CONFIRMED
        return EXCEEDED if self.unbounded else REFUTED

    def __str__(self) -> str:
        """Claim, bound, what was found, and the verdict, with bounds rounded upwards."""
        bound = f"none: {self.uncertified}" if self.bound is None else format_up(self.bound)
        of = "rounding not known" if self.unbounded else "rounding counted"
        lines = [
            f"claim          ‖f(a) - f(b)‖ <= {self.claim!r} ‖a - b‖, of '{self.name}'",
            f"proven bound   {bound}",
            f"largest ratio  {self.ratio:.7g} found from {self.examples:,} examples; "
            f"at least {format_down(self.proven_ratio)}, {of}",
            f"verdict        {self.verdict}",
        ]
        if self.verdict == CONFIRMED and self.ratio > self.claim:
            lines[-1] += " in exact arithmetic; what is computed exceeds it by rounding"
        return "\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """What JSON holds: everything but the arrays."""
        left_out = ("pair", "outputs")
        values = {key: value for key, value in vars(self).items() if key not in left_out}
        return {**values, "verdict": self.verdict}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the pair and its outputs to an .npz file, for others to check.

        Raises:
            ValueError: if the path has another suffix.
            OSError: if the file cannot be written; an existing file is then unchanged.
        """
        target = Path(path).expanduser()
        if target.suffix != ".npz":
            raise ValueError(f"Expected an .npz file. Received: path={path!r}")
        with replacing(target) as file:
            np.savez(
                file,
                pair=self.pair,
                outputs=self.outputs,
                proven_ratio=self.proven_ratio,
                claim=self.claim,
                rounding_counted=not self.unbounded,
            )


def audit(
    model: keras.Model,
    claim: float,
    x: Any = None,
    *,
    method: str = "product",
    steps: int = 100,
    seed: int = 0,
    batch_size: int = 256,
) -> Audit:
    """Holds a claimed Lipschitz constant against proof and search.

    The claim is `‖f(a) - f(b)‖₂ <= claim ‖a - b‖₂` for all inputs a, b of the network at inference.
    The verdict is

    * *confirmed* if the proven bound is at most the claim;
    * *refuted* if a pair was found whose ratio is above it, after everything that rounding may have
      added is taken off: the pair refutes the claim about the network in exact arithmetic;
    * *exceeded as computed* if the numbers of a pair are above it and the rounding of a layer is
      not known. Rounding alone can do that to a network that keeps its claim, most easily where
      inputs are large and their distance is small;
    * *not confirmed* otherwise: the bound is above the claim, or there is none, and the search
      found nothing. The truth lies between `proven_ratio` and `bound`.

    The search climbs from each example, at the distances 0.1 and 1 of the pair, and is no proof of
    anything that it does not find. Pairs of a model of the zoo in float32 are measured with the
    float64 network of the same weights, where the backend computes in float64; for other models,
    the sharpest audit is that of a float64 model.

    Args:
        model: built `keras.Model` with one input and one output.
        claim: the claimed constant, positive.
        x: inputs to start from, of shape `(examples, ...)`; `None` for 64 standard normal ones.
        method: of the bound, see `lipschitz_bound`.
        steps: of the search at each distance; 0 for its start alone.
        seed: of random starts.
        batch_size: examples at once.

    Returns:
        An `Audit`; `print` it, `save` its pair.

    Raises:
        AuditContradiction: if a pair refutes the proven bound, which is a bug.
        ValueError: for a claim that is not positive and finite, inputs that do not fit or are no
            finite numbers in the model's type, a model with an input of integers, an output of
            unknown size, or that does not compute what its layers say; where no two inputs at
            these distances differ in the model's type, or the model's outputs overflow.

    Example: the product of the layers' norms is 6, the network's constant 3.

    >>> import keras, lipzoo
    >>> model = keras.Sequential([
    ...     keras.Input((2,)), keras.layers.Dense(2, use_bias=False),
    ...     keras.layers.Dense(2, use_bias=False),
    ... ])
    >>> model.set_weights([np.diag([3.0, 1.0]), np.diag([1.0, 2.0])])
    >>> [lipzoo.audit(model, claim, steps=5).verdict for claim in (6.001, 3.1, 2.9)]
    ['confirmed', 'not confirmed', 'refuted']
    """
    check_runs_as_recorded(model)
    claim = finite_number(claim, "claim", positive=True)
    batch_size, seed = integer(batch_size, "batch_size"), integer(seed, "seed", minimum=0)
    steps = integer(steps, "steps", minimum=0)
    _check_kind(model)
    x = _starts(model, seed) if x is None else check_inputs(model, x)[0]
    x = _in_type_of(model, x)
    bound, uncertified = _bound(model, method)
    pairs = _pairs(model, x, steps, seed, batch_size)
    measuring = resolved_reference(model, AUTO, rounding=True) or model
    outputs = np.stack([_outputs(measuring, pairs[:, i], batch_size) for i in (0, 1)], axis=1)
    measured = bound if measuring is model else _bound(measuring, "product")[0]
    errors, unbounded = _rounding_errors(measuring, measured, pairs)
    ratios, proven = _ratios(pairs, outputs, errors, np.abs(x).max())
    best = int(np.argmax(proven))
    found = Audit(
        name=model.name,
        claim=claim,
        bound=None if bound is None else bound.value,
        uncertified=uncertified,
        ratio=float(np.max(ratios)),
        proven_ratio=float(proven[best]),
        unbounded=unbounded,
        pair=pairs[best],
        outputs=outputs[best],
        examples=len(x),
    )
    return _consistent(found)


def _check_kind(model) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            "Expected a model with one input and one output. "
            f"Received: {len(model.inputs)} inputs, {len(model.outputs)} outputs"
        )
    dtype = keras.backend.standardize_dtype(model.inputs[0].dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(f"Expected an input of floating point numbers. Received: dtype={dtype}")
    if None in model.output_shape[1:]:
        raise ValueError(
            "Expected an output of known size: build the model with a fixed input shape. "
            f"Received: output_shape={model.output_shape}"
        )


def _starts(model, seed):
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise ValueError(
            f"Expected x, for a model whose input has the shape {(None, *shape)}. Received: x=None"
        )
    return np.random.default_rng(seed).standard_normal((_RANDOM_EXAMPLES, *shape))


def _in_type_of(model, x) -> np.ndarray:
    """Inputs in the type that the model takes, in which pairs are looked for and stored."""
    dtype = keras.backend.standardize_dtype(model.inputs[0].dtype)
    with np.errstate(over="ignore"):
        cast = x.astype(dtype)
    if not np.isfinite(cast).all():
        raise ValueError(f"Expected x within the range of {dtype}. Received: infinite values in it")
    return cast


def _outputs(model, x, batch_size) -> np.ndarray:
    """What the model computes of x as it is, which `predict` would round to Keras' float type."""
    parts = [x[first : first + batch_size] for first in range(0, len(x), batch_size)]
    return np.concatenate(
        [ops.convert_to_numpy(model(ops.convert_to_tensor(part), training=False)) for part in parts]
    )


def _ratios(pairs, outputs, errors, largest) -> tuple[np.ndarray, np.ndarray]:
    """Ratios as computed, and what those without the rounding errors are at least; else 0.

    Raises:
        ValueError: if no pair has two inputs and finite outputs.
    """
    apart = inflated(_norms_up(difference(pairs[:, 0], pairs[:, 1])), operations=1)
    rows = difference(outputs[:, 0], outputs[:, 1]).reshape(len(pairs), -1)
    told = (apart > 0) & np.isfinite(rows).all(axis=1)
    if not told.any():
        raise ValueError(
            f"Expected pairs of inputs at the distances {_DISTANCES} that differ in "
            f"{pairs.dtype}, with finite outputs. Received: none, near x of entries up to "
            f"{largest:.3g}"
        )
    moved, apart = (
        np.linalg.norm(np.where(told[:, None], rows, 0.0), axis=1),
        np.where(told, apart, 1),
    )
    # One rounding of each difference; then squares, sum and root.
    at_least = deflated(moved, operations=rows.shape[1] + 3)
    # The difference of these, which may be small, is rounded once.
    proven = deflated(np.maximum(at_least - errors, 0.0), operations=1)
    return moved / apart, deflated(proven / apart, operations=1)


def _bound(model, method) -> tuple[LipschitzBound | None, str]:
    """The proven bound, or `None` and the layers that have none."""
    try:
        return lipschitz_bound(model, method), ""
    except UncertifiedLayerError as error:
        layers = uncertified_layers(model) or [UncertifiedLayer.of(model.name, error)]
        named = [f"'{layer.name}' ({layer.type})" for layer in layers]
        rest = f" and {len(named) - 3} more" if len(named) > 3 else ""
        return None, f"{', '.join(named[:3])}{rest} without one"


def _pairs(model, x, steps, seed, batch_size) -> np.ndarray:
    """Those pairs of all distances that have the largest ratios, as far as there are any."""
    found = [search_ratios(model, x, length, steps, seed, batch_size) for length in _DISTANCES]
    pairs = np.concatenate([part.pairs for part in found])
    ratios = np.concatenate([part.ratio for part in found])
    best = np.argsort(-ratios, kind="stable")[:_MEASURED]
    return pairs[best]


def _rounding_errors(model, bound, pairs) -> tuple[np.ndarray, str]:
    """Upper bounds of the rounding errors of both outputs of each pair; or zeros and a reason."""
    if bound is None:
        return np.zeros(len(pairs)), "there is no bound"
    try:
        check_arithmetic(model)
    except ValueError as error:
        return np.zeros(len(pairs)), str(error)
    tensor = _of_exact_inputs(model, bound)
    if tensor.bound.rounding_slope is None:
        return np.zeros(len(pairs)), f"that of {', '.join(map(repr, tensor.unknown))} is not known"
    sizes = joint_norms([pairs.reshape(2 * len(pairs), -1)])
    errors = bounded_uncertainty(tensor, sizes, None).error.reshape(-1, 2)
    return inflated(errors.sum(axis=1), operations=1), ""


def _of_exact_inputs(model, bound) -> TensorBound:
    """What is known of the output where the input is of the type in which the model takes it.

    Of a chain of layers the casts of the input are known to be exact; of other graphs they stay
    counted.
    """
    if probe(model) is None:
        return bound.output
    tensor = TensorBound(LayerBound(1.0, "input", 0.0, 0.0, 0.0), bound.output.inputs)
    for row in bound.layers:
        tensor = tensor.through(row.name, row.bound)
    return tensor


def _norms_up(arrays) -> np.ndarray:
    return norm_up(arrays.reshape(len(arrays), -1), axis=1)


def _consistent(found: Audit) -> Audit:
    """Refuses what cannot be: a pair above the proven bound.

    Raises:
        AuditContradiction: for that.
    """
    if found.bound is not None and not found.unbounded and found.proven_ratio > found.bound:
        raise AuditContradiction(
            f"A pair of inputs has a ratio of at least {found.proven_ratio!r}, above the proven "
            f"bound {found.bound!r} of '{found.name}': this is a bug, of lipzoo or of the "
            "arithmetic. Please report it with the pair, which `error.audit` holds",
            found,
        )
    return found
