"""Decides what stands in the place of every call, and collects what nothing can."""

import itertools
import math
from dataclasses import dataclass

import keras

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.linear_head import squashing
from lipzoo.bounds.rules.activation import activation_bound, softmax_bound
from lipzoo.constraining.endings import (
    ends_in_softmax,
    folded_normalisations,
    is_only_activation,
    last_call,
)
from lipzoo.constraining.graph import Call, Graph
from lipzoo.constraining.kernels import WITH_KERNELS, ChannelAffine, ConstrainedKernels
from lipzoo.constraining.names import Names
from lipzoo.constraining.original import merges, original_bound
from lipzoo.constraining.refusals import Refusals
from lipzoo.constraining.replacement import Dropped, Kept, Replacement
from lipzoo.constraining.weighted import (
    KEEP_THEIR_BOUND,
    BoundedSlopes,
    KeptWithWeights,
    Mixed,
    ScaledChannels,
    coefficients,
)

# Normalising an example by its own statistics has a bound, of 30 and more, which is reached where
# the input is constant: divided by that, nothing would be left.
_STEEP = (
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.RMSNormalization,
)


@dataclass(frozen=True)
class Step:
    """What stands in the place of one call.

    Attributes:
        call: the original's.
        replacement: what stands in its place.
        bound: of the original, as a map of all its inputs together.
    """

    call: Call
    replacement: Replacement
    bound: LayerBound


class Plan:
    """The steps from a model to one of the same topology whose layers are 1-Lipschitz.

    Args:
        graph: calls of the model.
        bound: of the new model.
        method: of projection.
        names: of the new model's layers.
        refusals: what cannot be constrained is added to these.

    Attributes:
        steps: a step a call, but for refused ones.
        scales_head: whether a last linear layer takes `bound`, so that nothing has to follow it.
    """

    def __init__(self, graph: Graph, bound, method, names: Names, refusals: Refusals):
        self._graph, self._method = graph, method
        self._names, self._refusals = names, refusals
        self._folded = folded_normalisations(graph)
        into = {call.inputs[0]: id(call.operation) for call in self._folded.values()}
        self._into = {
            into[call.outputs[0]]: call.name for call in graph.calls if call.outputs[0] in into
        }
        last = [last_call(graph, output, self._folded) for output in graph.outputs]
        self._logits = {
            id(call.operation) for call in last if call is not None and ends_in_softmax(call)
        }
        self._bounds = {}
        head = self._behind_softmax(last[0]) if len(last) == 1 else None
        if head is not None:
            self._bounds = {id(head.operation): bound}
        self.scales_head = bool(self._bounds)
        self._known: dict[int, Replacement] = {}
        self._sources = {tensor: frozenset({tensor}) for tensor in graph.inputs}
        self.steps = [step for call in graph.calls if (step := self._step(call)) is not None]

    def _behind_softmax(self, call) -> Call | None:
        """The last layer with a kernel, if nothing stands behind it but a softmax."""
        if call is not None and ends_in_softmax(call) and is_only_activation(call.operation):
            call = last_call(self._graph, call.inputs[0], self._folded)
        return call if call is not None and type(call.operation) in WITH_KERNELS else None

    def _step(self, call: Call) -> Step | None:
        sources = frozenset().union(*(self._sources[tensor] for tensor in call.inputs))
        self._sources.update((tensor, sources) for tensor in call.outputs)
        operation, noted = call.operation, self._refusals.noted
        is_logits = id(operation) in self._logits
        if is_logits and is_only_activation(operation):
            dropped = Dropped(f"{squashing(operation)} dropped: logits")
            known = squashing(operation) == "softmax"
            return Step(call, dropped, softmax_bound() if known else LayerBound(math.inf, ""))
        bound = noted(operation, original_bound, call, not is_logits)
        if bound is None:
            return None
        replacement = self._known.get(id(operation))
        if replacement is None:
            replacement = noted(operation, self._replacement, call, bound)
        if replacement is None:
            return None
        if len(call.inputs) == 1:
            self._known[id(operation)] = replacement
        return Step(call, replacement, bound)

    def _replacement(self, call: Call, bound: LayerBound) -> Replacement:
        """What stands in the place of a layer or operation that has a bound.

        Raises:
            UncertifiedLayerError: if nothing can.
        """
        operation, kind = call.operation, type(call.operation)
        if id(operation) in self._into:
            return Dropped(f"folded into '{self._into[id(operation)]}'")
        name = self._names.take(call.name)
        if kind in WITH_KERNELS:
            return self._constrained(call, name)
        if kind is keras.layers.BatchNormalization:
            return ScaledChannels(operation, name, self._method)
        if kind is keras.layers.PReLU:
            return BoundedSlopes(operation, name)
        if kind in KEEP_THEIR_BOUND:
            constraint = getattr(operation, "scale_constraint", None)
            if bound.value > 1.0 or (constraint is not None and constraint.bound > 1.0):
                raise UncertifiedLayerError(operation, "Its bound or its constraint is above 1.")
            return KeptWithWeights(operation, name)
        if kind in _STEEP:
            raise UncertifiedLayerError(operation, "It is steep where its input is constant.")
        if (merged := merges(call)) is not None:
            return self._merged(call, merged, name)
        if len(call.inputs) > 1:
            raise UncertifiedLayerError(operation, "It takes several tensors.")
        if getattr(operation, "weights", ()) and kind is not keras.layers.Normalization:
            raise UncertifiedLayerError(operation, "Training its weights may raise its bound.")
        return Kept(operation, name)

    def _constrained(self, call, name):
        layer = call.operation
        drops = id(layer) in self._logits
        slope = 1.0
        if not drops:
            slope = activation_bound(layer, layer.activation, call.output_shape).value
        folded = self._folded.get(id(layer))
        return ConstrainedKernels(
            layer,
            name,
            slope,
            self._bounds.get(id(layer), 1.0),
            self._method,
            None if folded is None else ChannelAffine.of(folded.operation),
            drops,
        )

    def _merged(self, call, merged, name):
        if merged != "concatenate" and len(set(call.shapes)) > 1:
            raise UncertifiedLayerError(call.operation, "It merges tensors of several shapes.")
        shares = coefficients(call.operation, merged, len(call.inputs))
        if shares is not None and any(shares) and len(call.inputs) > 1:
            return Mixed(call.operation, name, shares)
        sources = [self._sources[tensor] for tensor in call.inputs]
        shared = any(not a.isdisjoint(b) for a, b in itertools.combinations(sources, 2))
        return Kept(call.operation, name, shared)
