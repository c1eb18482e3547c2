"""Rounding errors that follow the norms inside the network, where those can be measured.

How far rounding moves a layer's output grows with the norm of its input. Bounding that norm from
the weights alone adds up the biases of all layers; measuring it along with the prediction costs a
few per cent of the prediction's time and is several times sharper.
"""

import math
import weakref
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from lipzoo.bounds import LipschitzBound
from lipzoo.bounds.fingerprint import state_of
from lipzoo.bounds.recorded import as_function, casts_exactly, compute_dtype
from lipzoo.bounds.states import TensorBound
from lipzoo.rounding import gamma

# Covers the float64 rounding of this module: fewer than 50 operations on numbers of one sign.
_UP = 1 + 1e-12

# The probe of each graph that was certified, with the layers' states that it was made for.
_probes = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Uncertainty:
    """What rounding can do to one tensor t, per example: at x and at every x' of a ball around it.

    Attributes:
        error: `||fl(t)(x) - t(x)||` is at most this; shape `(examples,)`.
        norm: `||fl(t)(x)||` is at most this.
        ball_error, ball_norm: the same at every x' of the ball.
    """

    error: np.ndarray
    norm: np.ndarray
    ball_error: np.ndarray
    ball_norm: np.ndarray


def no_uncertainty(examples: int) -> Uncertainty:
    """Exact arithmetic."""
    zero = np.zeros(examples)
    return Uncertainty(zero, zero, zero, zero)


def bounded_uncertainty(tensor: TensorBound, norms, radius) -> Uncertainty:
    """From the weights alone: `||t|| <= offset + value ||x||`, and alike for the error.

    Args:
        tensor: what is known about t.
        norms: upper bounds of `||x||`, shape `(examples,)`.
        radius: radius of the ball, shape `(examples,)`.
    """
    bound = tensor.bound

    def at(size):
        error = (bound.rounding_offset + bound.rounding_slope * size) * _UP
        return error, (bound.offset + bound.value * size + error) * _UP

    return Uncertainty(*at(norms), *at((norms + radius) * _UP))


def measured_uncertainty(bound: LipschitzBound, layers: int, norms, measured, radius):
    """From norms that were measured along with the prediction, for a chain of layers.

    Write `e` for the error and `ν` for the norm of the computed input of a layer with the bounds
    `value`, `rounding_slope` and `rounding_offset`. By their definition the error of its output is
    at most `value e + rounding_slope ν + rounding_offset`, at x with the measured ν, and at x' with
    `ν + cumulative · radius + e(x) + e(x')`, since the exact tensor moves by at most the cumulative
    Lipschitz bound times the radius.

    Args:
        bound: the model's bound, one row per layer of the chain.
        layers: number of layers up to the tensor of interest.
        norms: upper bounds of `||x||`, shape `(examples,)`.
        measured: upper bounds of the norm of each layer's computed output, `(examples, layers)`.
        radius: radius of the ball, shape `(examples,)`.
    """
    cast = bound.input_roundoff
    error, ball_error = cast * norms * _UP, cast * (norms + radius) * _UP
    norm, ball_norm = norms * (1 + cast) * _UP, (norms + radius) * (1 + cast) * _UP
    for index, row in enumerate(bound.layers[:layers]):
        layer = row.bound
        error, ball_error = (
            (layer.value * e + layer.rounding_slope * size + layer.rounding_offset) * _UP
            for e, size in ((error, norm), (ball_error, ball_norm))
        )
        norm = measured[:, index]
        ball_norm = (norm + row.cumulative * radius + error + ball_error) * _UP
    return Uncertainty(error, norm, ball_error, ball_norm)


class Probe:
    """A chain of layers as a model with a second output, the norms of all its layers' outputs.

    Attributes:
        model: shares the layers of the given model; its outputs have shapes `(batch, classes)` and
            `(batch, layers)`.
        sizes: number of entries of each layer's output.
    """

    def __init__(self, inputs, tensors):
        norms = []
        for tensor in tensors:
            squares = ops.square(ops.cast(tensor, "float32"))
            norms.append(ops.sqrt(ops.sum(squares, axis=tuple(range(1, len(tensor.shape))))))
        self.model = keras.Model(inputs, [tensors[-1], ops.stack(norms, axis=1)])
        self.sizes = np.array([math.prod(tensor.shape[1:]) for tensor in tensors])

    def upper_norms(self, computed) -> np.ndarray:
        """Upper bounds of the norms that the model computed in float32.

        The sum of n squares has a relative error of at most `gamma_(n+1)`, the root halves it and
        adds one rounding; entries below 1e-19 can underflow, which the absolute term covers.
        """
        relative = np.array([gamma(int(size) + 3, "float32") for size in self.sizes])
        with np.errstate(divide="ignore"):
            inflation = np.where(relative < 1, 1 / (1 - relative), np.inf)
        return computed.astype("float64") * inflation * _UP + 1e-18 * np.sqrt(self.sizes)


def probe(model: keras.Model) -> Probe | None:
    """The probe of a model; `None` where the model is not a chain of layers.

    A probe is used again as long as the model's graph and the configuration and attributes of its
    layers are the same: backends compile what a layer does once, so a changed layer needs a new
    probe. Layers that are neither Keras' nor lipzoo's may change without a trace, so their probe is
    always new.
    """
    function = as_function(model)
    nodes = None if function is None else _chain(function)
    if not nodes:
        return None
    signature = [_signature(node.operation) for node in nodes]
    known, measuring = _probes.get(function, (None, None))
    if known != signature:
        measuring = Probe(function.inputs[0], [node.outputs[0] for node in nodes])
        if None not in signature:
            _probes[function] = (signature, measuring)
    return measuring


def _signature(operation):
    if not type(operation).__module__.startswith(("keras.", "lipzoo.")):
        return None
    return state_of(operation)


def _chain(function) -> list | None:
    """The calls of a chain of layers in order; `None` for any other graph."""
    if len(function.inputs) != 1 or len(function.outputs) != 1:
        return None
    chain, current = [], function.inputs[0]
    for depth in sorted(function._nodes_by_depth, reverse=True):
        nodes = [node for node in function._nodes_by_depth[depth] if not node.is_input]
        if not nodes:
            continue
        if len(nodes) > 1 or not _continues(nodes[0], current):
            return None
        chain.append(nodes[0])
        current = nodes[0].outputs[0]
    return chain if current is function.outputs[0] else None


def _continues(node, tensor) -> bool:
    """Whether a call takes and returns one tensor of known size, without a cast that rounds."""
    if len(node.input_tensors) != 1 or node.input_tensors[0] is not tensor:
        return False
    if len(node.outputs) != 1 or None in node.outputs[0].shape[1:]:
        return False
    return as_function(node.operation) is None and casts_exactly(tensor.dtype, compute_dtype(node))
