"""Rounding errors that follow the norms inside the network, where those can be measured.

How far rounding moves a layer's output grows with the norm of its input. Bounding that norm from
the weights alone adds up the biases of all layers; measuring it along with the prediction costs a
few per cent of the prediction's time and is several times sharper.
"""

import math
import weakref
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from lipzoo.bounds import LipschitzBound
from lipzoo.bounds.keras_graph import as_function, compute_dtype
from lipzoo.bounds.tensor_bound import TensorBound, casts_exactly
from lipzoo.certificates.prediction import model_state
from lipzoo.keras_internals import nodes_of, unrecorded
from lipzoo.rounding import gamma, inflated

# The probe of each graph that was certified, with the state of the model that it was made for.
_probes = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Uncertainty:
    """What rounding can do to one tensor t, per example, at one input or at every input of a ball.

    Attributes:
        error: `||fl(t) - t||` is at most this; shape `(examples,)`.
        norm: `||fl(t)||` is at most this.
        dtype: the arithmetic of what follows t; `None` where that is exact, or nothing follows.
    """

    error: np.ndarray
    norm: np.ndarray
    dtype: str | None


def no_uncertainty(examples: int) -> Uncertainty:
    """Exact arithmetic."""
    return Uncertainty(np.zeros(examples), np.zeros(examples), None)


def bounded_uncertainty(tensor: TensorBound, sizes, dtype, entry_error: Any = 0.0) -> Uncertainty:
    """From the weights alone: `||t|| <= offset + value ||x||`, and alike for the error.

    Args:
        tensor: what is known about t.
        sizes: upper bounds of `||x||`, shape `(examples,)`; for a ball, `||x|| + radius`.
        dtype: see `Uncertainty`.
        entry_error: upper bounds of the error that x comes with, beyond the rounding to the type in
            which the model takes it.
    """
    bound = tensor.bound
    computed = sizes + entry_error
    error = bound.rounding_offset + bound.rounding_slope * computed + bound.value * entry_error
    error = inflated(error, operations=4)
    norm = inflated(bound.offset + bound.value * sizes + error, operations=3)
    return Uncertainty(error, norm, dtype)


def measured_errors(bound: LipschitzBound, norms, entry_error, measured) -> tuple:
    """From norms that were measured along with the prediction at x, for a chain of layers.

    Write `e` for the error and `ν` for the norm of the computed input of a layer with the bounds
    `value`, `rounding_slope` and `rounding_offset`. By their definition the error of its output is
    at most `value e + rounding_slope ν + rounding_offset`.

    Args:
        bound: the model's bound, one row per layer of the chain.
        norms: upper bounds of `||x||`, shape `(examples,)`.
        entry_error: upper bounds of the error that x comes with.
        measured: upper bounds of the norm of each layer's computed output, `(examples, layers)`.

    Returns:
        `(errors, sizes)`, lists over the input and the outputs of the layers: upper bounds of
        `||fl(t)(x) - t(x)||` and of the exact `||t(x)||`.
    """
    errors, sizes = [entry_error], [norms]
    size = inflated(norms + entry_error, operations=1)
    for index, row in enumerate(bound.layers):
        errors.append(_error_after(row.bound, errors[-1], size))
        size = measured[:, index]
        sizes.append(inflated(size + errors[-1], operations=1))
    return errors, sizes


def errors_in_ball(bound: LipschitzBound, layers: int, sizes, radius, entry_error) -> tuple:
    """The same at every x' with `||x' - x|| <= radius`.

    The exact tensor moves by at most the cumulative Lipschitz bound times the radius, so there the
    computed one has at most the norm `sizes + cumulative · radius + e(x')`.

    Args:
        bound: as in `measured_errors`.
        layers: number of layers up to the tensor of interest.
        sizes: upper bounds of the exact `||t(x)||`, from `measured_errors` in any arithmetic.
        radius: radius of the ball, shape `(examples,)`.
        entry_error: upper bounds of the error that any x' of the ball comes with.

    Returns:
        `(error, norm)` of the last tensor: upper bounds of `||fl(t)(x') - t(x')||` and of
        `||fl(t)(x')||`.
    """
    error = entry_error
    norm = inflated(sizes[0] + radius + error, operations=2)
    for row, size in zip(bound.layers[:layers], sizes[1 : layers + 1], strict=True):
        error = _error_after(row.bound, error, norm)
        norm = inflated(size + row.cumulative * radius + error, operations=3)
    return error, norm


def _error_after(layer, error, norm):
    found = layer.value * error + layer.rounding_slope * norm + layer.rounding_offset
    return inflated(found, operations=3)


class Probe:
    """A chain of layers as a model with a second output, the norms of all its layers' outputs.

    Attributes:
        model: shares the layers of the given model; its outputs have shapes `(batch, classes)` and
            `(batch, layers)`.
        sizes: number of entries of each layer's output.
    """

    def __init__(self, inputs, tensors):
        norms = []
        # What is computed here is not behind the layers in any model of the user's.
        with unrecorded(tensors):
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
        norms = computed.astype("float64") * inflation + 1e-18 * np.sqrt(self.sizes)
        return inflated(norms, operations=4)


def probe(model: keras.Model) -> Probe | None:
    """The probe of a model; `None` where the model is not a chain of layers.

    A probe is used again as long as everything is the same that a compiled function remembers of
    the model, see `model_state`. Layers that are neither Keras' nor lipzoo's may change without a
    trace, so their probe is always new.
    """
    function = as_function(model)
    nodes = None if function is None else _chain(function)
    if function is None or not nodes:
        return None
    state = model_state(model)
    known, measuring = _probes.get(function, (None, None))
    if state is None or known != state:
        measuring = Probe(function.inputs[0], [node.outputs[0] for node in nodes])
        _probes[function] = (state, measuring)
    return measuring


def _chain(function) -> list | None:
    """The calls of a chain of layers in order; `None` for any other graph."""
    if len(function.inputs) != 1 or len(function.outputs) != 1:
        return None
    chain, current = [], function.inputs[0]
    for node in nodes_of(function):
        if not _continues(node, current):
            return None
        chain.append(node)
        current = node.outputs[0]
    return chain if current is function.outputs[0] else None


def _continues(node, tensor) -> bool:
    """Whether a call takes and returns one tensor of known size, without a cast that rounds."""
    if len(node.input_tensors) != 1 or node.input_tensors[0] is not tensor:
        return False
    if len(node.outputs) != 1 or None in node.outputs[0].shape[1:]:
        return False
    return as_function(node.operation) is None and casts_exactly(tensor.dtype, compute_dtype(node))
