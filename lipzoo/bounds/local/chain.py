"""A network as a chain of matrices with ReLUs between them."""

import math
from dataclasses import dataclass, field, replace

import keras
import numpy as np

from lipzoo import activations
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.keras_graph import as_function
from lipzoo.bounds.linear_head import linear_weights, passes_through
from lipzoo.bounds.model_bound import LipschitzBound
from lipzoo.bounds.rules._numbers import as_float64, smallest_constant
from lipzoo.bounds.rules.ranges import constant_interval
from lipzoo.bounds.rules.shape import IDENTITIES_AT_INFERENCE
from lipzoo.bounds.semidefinite.affine import Affine
from lipzoo.bounds.semidefinite.operators import affine_part, diagonal
from lipzoo.keras_internals import nodes_of
from lipzoo.rounding import gamma, inflated, norm_up, unit_roundoff
from lipzoo.spectral import dense_norm_bound

# Entries of a matrix, and of a derivative with respect to the input.
LARGEST = 2**23
_IDENTITIES = (keras.layers.Identity, keras.layers.InputLayer, *IDENTITIES_AT_INFERENCE)
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)
# Factors, epsilons.
_WITH_CONSTANTS = (
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.BatchNormalization,
)
_LINEAR = (None, keras.activations.linear, activations.get("linear"))


@dataclass(frozen=True, eq=False)
class Step:
    """`z = W h + b`, and behind it `max(z, 0) + slope min(z, 0)` entry by entry, or nothing.

    Attributes:
        matrix: W as stored, of shape `(outputs, inputs)`, float64.
        bias: b.
        slope: smallest and largest number that the slope of negative entries may be; `None`
            without activation.
        relative: how far the entries of W may be off, relative to themselves.
        bias_error: how far those of b may be off.
    """

    matrix: np.ndarray
    bias: np.ndarray
    slope: tuple[float, float] | None = None
    relative: float = 0.0
    bias_error: np.ndarray | float = 0.0
    # Upper bounds of the norms of W: its largest singular value, and Frobenius'.
    norm: float = field(init=False)
    frobenius: float = field(init=False)

    def __post_init__(self):
        grown = 1.0 + self.relative
        norm = inflated(dense_norm_bound(self.matrix), operations=2)
        frobenius = inflated(norm_up(self.matrix) * grown, operations=2)
        if self.relative:
            norm = inflated(norm + self.relative * frobenius, operations=2)
        object.__setattr__(self, "norm", min(norm, frobenius))
        object.__setattr__(self, "frobenius", frobenius)


@dataclass(frozen=True, eq=False)
class Chain:
    """The steps in front of a linear head, and the head.

    Attributes:
        steps: in order; the first takes the flattened input.
        head: matrix of the head, of shape `(outputs, features)`.
    """

    steps: tuple[Step, ...]
    head: np.ndarray


def _unknown(layer, reason: str) -> UncertifiedLayerError:
    return UncertifiedLayerError(layer, reason, within_balls=True)


def chain_of(model, bound: LipschitzBound) -> Chain:
    """The chain that a model is.

    Raises:
        UncertifiedLayerError: for a layer that is neither affine nor a ReLU with a slope of at
            least 0, or one that is too large to be written out.
        ValueError: for a graph that is no chain, or one that does not end in a linear layer.
    """
    function = as_function(model)
    if function is None or bound.head is None or len(function.inputs) != 1:
        raise ValueError(
            "Expected a chain of layers from one input to a linear last layer, for local=True. "
            f"Received: model '{model.name}'"
        )
    nodes = _chain(function)
    while nodes and passes_through(nodes[-1].operation):
        nodes.pop()
    sizes = [math.prod(_sizes(node, node.input_tensors[0])) for node in nodes]
    steps: list[Step] = []
    for node in nodes[:-1]:
        _append(steps, node, sizes[0])
    return Chain(tuple(steps), bound.head.kernel.T)


def _chain(function) -> list:
    """The calls of a graph, and of the models in it, if each takes what the one before returns."""
    current, nodes = function.inputs[0], []
    for node in nodes_of(function):
        if [*map(id, node.input_tensors)] != [id(current)] or len(node.outputs) != 1:
            raise ValueError(
                "Expected a chain of layers, each taking what the one before returns, for "
                f"local=True. Received: '{node.operation.name}', which does not, or has several "
                "outputs"
            )
        inner = as_function(node.operation)
        if inner is None:
            nodes.append(node)
        else:
            _sizes(node, node.outputs[0])
            nodes += _chain(inner)
        current = node.outputs[0]
    return nodes


def _sizes(node, tensor) -> tuple[int, ...]:
    sizes = tuple(tensor.shape[1:])
    if None in sizes:
        raise _unknown(node.operation, "local=True needs sizes that are fixed.")
    return sizes


def _append(steps: list[Step], node, inputs: int) -> None:
    """Appends a layer: its affine part with its activation, or an activation to what is there."""
    layer = node.operation
    sizes, output_sizes = _sizes(node, node.input_tensors[0]), _sizes(node, node.outputs[0])
    if type(layer) in _IDENTITIES:
        return
    slope = _slope_of_layer(layer)
    if slope is not None and steps and steps[-1].slope is None:
        steps[-1] = replace(steps[-1], slope=slope)
        return
    outputs = math.prod(output_sizes)
    affine = None
    if slope is None:
        slope, affine = _slope(layer), _affine(layer, sizes, output_sizes)
        if affine is None:
            raise _unknown(
                layer, "local=True knows affine layers, ReLU and leaky ReLU: use local=False."
            )
    if outputs * max(math.prod(sizes), inputs) > LARGEST:
        raise _unknown(
            layer,
            f"Its matrix, {outputs:,} x {math.prod(sizes):,}, or the derivative of its outputs by "
            f"the {inputs:,} entries of an input has more than {LARGEST:,} entries, too many for "
            "local=True.",
        )
    if affine is None:
        steps.append(Step(np.eye(outputs), np.zeros(outputs), slope))
        return
    matrix = affine.times(np.eye(affine.inputs))
    bias, error = _bias(layer, sizes, output_sizes)
    relative = max(gamma(affine.roundings, "float64"), _relative(layer))
    steps.append(Step(matrix, bias, slope, relative, error))


def _affine(layer, sizes, output_sizes) -> Affine | None:
    channels_last = keras.config.image_data_format() == "channels_last"
    if type(layer) is keras.layers.Rescaling and channels_last:
        return diagonal(np.broadcast_to(as_float64(layer.scale), (1, *sizes))[0], roundings=0)
    return affine_part(layer, (None, *sizes), (None, *output_sizes))


def _relative(layer) -> float:
    """How far a constant may be off that a backend takes in float32."""
    if type(layer) in _WITH_CONSTANTS:
        return 2 * unit_roundoff("float32")
    return 0.0


def _bias(layer, sizes, output_sizes) -> tuple[np.ndarray, np.ndarray | float]:
    zero = np.zeros(math.prod(output_sizes))
    if type(layer) is keras.layers.Rescaling:
        known = constant_interval(layer.offset)
        ends, whole = (known.high, known.low), (1, *sizes)
        high, low = (np.broadcast_to(end, whole).ravel() for end in ends)
        return low, high - low
    if type(layer) in (keras.layers.BatchNormalization, keras.layers.Normalization):
        return _shift(layer, sizes)
    weights = linear_weights(layer)
    if weights is not None:
        # What a class of its own calls it is not known.
        bias = weights[1]
    elif getattr(layer, "bias", None) is None:
        return zero, 0.0
    else:
        bias = as_float64(layer.bias)
    first = isinstance(layer, _CONVOLUTIONS) and layer.data_format == "channels_first"
    if first:
        bias = bias.reshape(-1, *[1] * (len(output_sizes) - 1))
    return np.broadcast_to(bias, output_sizes).ravel(), 0.0


def _shift(layer, sizes) -> tuple[np.ndarray, np.ndarray]:
    """`beta - mean scale`, and how far it may be off: each term by some roundings."""
    if type(layer) is keras.layers.Normalization:
        mean, deviation = as_float64(layer.mean), np.sqrt(as_float64(layer.variance))
        deviation = np.maximum(deviation, keras.config.epsilon())
        first, second = (mean, 0.0) if layer.invert else (0.0, mean / deviation)
        shape = mean.shape
    else:
        variance = as_float64(layer.moving_variance) + smallest_constant(layer.epsilon)
        scale = as_float64(layer.gamma) if layer.scale else 1.0
        first = as_float64(layer.beta) if layer.center else 0.0
        second = as_float64(layer.moving_mean) * (scale / np.sqrt(variance))
        shape = [1] * (len(sizes) + 1)
        shape[layer.axis] = -1
    shift, size = np.asarray(first - second), np.abs(first) + np.abs(second)
    error = inflated((gamma(8, "float64") + _relative(layer)) * size, operations=4)
    whole = (1, *sizes)
    shift, error = (np.broadcast_to(np.reshape(a, shape), whole).ravel() for a in (shift, error))
    return shift, error


def _slope(layer) -> tuple[float, float] | None:
    function = getattr(layer, "activation", None)
    # What a class of its own calls its activation is not known where it says that it has none.
    if function in _LINEAR or linear_weights(layer) is not None:
        return None
    return _slope_of_function(layer, function)


def _slope_of_function(layer, function) -> tuple[float, float]:
    if function is keras.activations.relu:
        return 0.0, 0.0
    if function is keras.activations.leaky_relu:
        return _ends(0.2)
    name = getattr(function, "__name__", repr(function))
    raise _unknown(layer, f"local=True knows relu and leaky_relu, and not its activation {name!r}.")


def _slope_of_layer(layer) -> tuple[float, float] | None:
    """The slope of negative entries of a layer that is an activation alone."""
    if type(layer) is keras.layers.Activation:
        return (
            (1.0, 1.0)
            if layer.activation in _LINEAR
            else _slope_of_function(layer, layer.activation)
        )
    if type(layer) not in (keras.layers.ReLU, keras.layers.LeakyReLU):
        return None
    if getattr(layer, "max_value", None) is not None or layer.negative_slope < 0:
        raise _unknown(
            layer, "local=True knows a ReLU without max_value, of a slope of at least 0."
        )
    return _ends(layer.negative_slope)


def _ends(slope) -> tuple[float, float]:
    known = constant_interval(slope)
    return float(known.low), float(known.high)
