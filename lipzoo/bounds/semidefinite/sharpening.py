"""A model's bound by products, made smaller by ellipsoids."""

from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

import numpy as np

from lipzoo.bounds.description import described
from lipzoo.bounds.keras_graph import as_function
from lipzoo.bounds.model_bound import LipschitzBound
from lipzoo.bounds.semidefinite.ellipsoid import Ball, Ellipsoid
from lipzoo.bounds.semidefinite.propagation import Ellipsoids, size_of
from lipzoo.bounds.semidefinite.verified import Unverified
from lipzoo.bounds.tensor_bound import TensorBound
from lipzoo.keras_internals import nodes_of
from lipzoo.rounding import hypot_up
from lipzoo.spectral.threads import single_threaded_blas

# Diagonals `diag(P)^power`: one multiple of the identity, which is ECLipsE-Fast, and two that
# follow the sizes of the entries.
POWERS = (0.0, 0.5, 1.0)
# Entries of a tensor.
_SMALL = 1024


@dataclass(frozen=True)
class _Found:
    value: float
    cumulative: list[float]
    features: list[Ball | Ellipsoid]


# What was found of the last model, under its description, weights included: certifying piece by
# piece asks again and again.
_last: dict[tuple, _Found] = {}


def sharpened(function, bound: LipschitzBound) -> LipschitzBound:
    """The smallest of a bound by products and what ellipsoids prove, for every layer.

    Args:
        function: the graph of the model.
        bound: its bound by products.

    Raises:
        ValueError: if the model has a size that is not fixed.
    """
    # The rules of layers may be registered anew, which the graph does not show.
    rows = tuple((row.name, row.bound) for row in bound.layers)
    description = described(function)
    key = None if description is None else (description, rows)
    found = None if key is None else _last.get(key)
    if found is None:
        found = _found(function, bound)
        _last.clear()
        if key is not None:
            _last[key] = found
    head = bound.head
    if head is not None:
        smallest = min([head.features.bound.value, *(each.bound() for each in found.features)])
        head = replace(
            head, features=_at_most(head.features, smallest), ellipsoids=tuple(found.features)
        )
    rows = (
        replace(row, cumulative=smaller)
        for row, smaller in zip(bound.layers, found.cumulative, strict=True)
    )
    return replace(
        bound,
        value=found.value,
        layers=tuple(rows),
        output=_at_most(bound.output, found.value),
        head=head,
        method="semidefinite",
    )


def _found(function, bound: LipschitzBound) -> _Found:
    sizes = [size_of(tensor.shape) for node in nodes_of(function) for tensor in node.outputs]
    # Small matrices gain nothing from threads.
    threads = single_threaded_blas() if max(sizes, default=0) <= _SMALL else nullcontext()
    # Numbers beyond float64 are not verified.
    with threads, np.errstate(over="ignore", invalid="ignore"):
        return _walked(function, bound)


def _walked(function, bound: LipschitzBound) -> _Found:
    cumulative = [row.cumulative for row in bound.layers]
    value, features, starts = bound.value, [], {}
    for power in POWERS:
        walk = Ellipsoids(bound, power, starts)
        inputs = [Ball.of(size_of(tensor.shape), 1.0) for tensor in function.inputs]
        outputs = walk.walk(function, inputs)
        if walk.cumulative:
            cumulative = list(map(min, cumulative, walk.cumulative))
        with suppress(Unverified):
            value = min(value, hypot_up(*(output.bound() for output in outputs)))
        if walk.features is not None:
            known = walk.features
            with suppress(Unverified):
                ball = Ball.of(known.size, known.bound())
                features.append(known if isinstance(known, Ball | Ellipsoid) else ball)
    last = nodes_of(function)[-1:]
    if last and last[0].outputs == function.outputs and as_function(last[0].operation) is None:
        cumulative[-1] = min(cumulative[-1], value)
    return _Found(value, cumulative, features)


def _at_most(tensor: TensorBound, value: float) -> TensorBound:
    return replace(tensor, bound=replace(tensor.bound, value=value))
