"""Norms of the Jacobians inside a model: how far each state moves, and how much it moves the last.

The states of a model are the tensors that every path from its input to its output crosses. Exactly,
or by power iteration where the Jacobians are too large to write down.
"""

import math
from dataclasses import dataclass, field
from itertools import accumulate

import keras
import numpy as np
from keras import ops

from lipzoo.autodiff.jacobian_products import jacobian_vector_product, vector_jacobian_product
from lipzoo.certificates.inputs import check_inputs
from lipzoo.evaluation.model_states import (
    checked_function,
    chosen_states,
    nodes_on_paths,
    position_of,
    states_of,
    weights_between,
)
from lipzoo.plotting import (
    ATTACKED,
    CERTIFIED,
    DASHES,
    GREY,
    INK,
    decorate,
    new_figure,
)
from lipzoo.spectral.threads import single_threaded_blas
from lipzoo.validation import integer

METHODS = ("auto", "exact", "power_iteration")

# The largest state whose Jacobians "auto" materialises: an SVD of 256 × 256 takes 10 ms.
_LARGEST_EXACT = 256
# Numbers in all states of the vectors sent through the model at once: 64 MiB in float32.
_NUMBERS_AT_ONCE = 2**24


@dataclass(frozen=True, eq=False)
class JacobianNorms:
    """Spectral norms of the Jacobians of a model's states, at some inputs.

    For the states `s_1, …, s_L` of an input x, in the Euclidean norm of flattened tensors:

        forward_k = ‖∂s_k/∂x‖,   backward_k = ‖∂s_L/∂s_k‖   (so the last one is 1).

    These hold at the given inputs only; a bound for all inputs is `lipzoo.lipschitz_bound`.

    Attributes:
        names: of the layers whose outputs the states are; the second use of a layer is `name#2`.
        forward: shape `(layers, examples)`, float64; infinite where a Jacobian is not finite.
        backward: likewise.
        method: `"exact"` or `"power_iteration"`.
    """

    names: tuple[str, ...]
    forward: np.ndarray = field(repr=False)
    backward: np.ndarray = field(repr=False)
    method: str

    @property
    def exact(self) -> bool:
        """Whether the norms are those of materialised Jacobians, not estimates from below."""
        return self.method == "exact"

    def __str__(self) -> str:
        count = self.forward.shape[1]
        kind = "exact" if self.exact else "an estimate from below, by power iteration"
        width = max(map(len, ("layer", *self.names)))
        columns = "".join(f"{name:>11}" for name in ("min", "mean", "max"))
        lines = [
            f"Norms of Jacobians at {count:,} example{'s' * (count != 1)} ({kind})",
            f"{'':<{width}}{'forward ‖∂s/∂x‖':>33}{'backward ‖∂last/∂s‖':>33}",
            f"{'layer':<{width}}{columns}{columns}",
        ]
        for name, *rows in zip(self.names, self.forward, self.backward, strict=True):
            cells = "".join(
                f"{value:>11.4g}" for row in rows for value in (row.min(), row.mean(), row.max())
            )
            lines.append(f"{name:<{width}}{cells}")
        return "\n".join(lines)

    def plot(self):
        """Draws both norms over depth: the median over the examples in a band from min to max.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: if Matplotlib is not installed.
        """
        figure, (left, right) = new_panels(2, "JacobianNorms.plot")
        draw_over_depth(left, self.forward, CERTIFIED)
        left.set_title("forward: ‖∂s/∂x‖", color=INK)
        draw_over_depth(right, self.backward, ATTACKED)
        right.set_title("backward: ‖∂last/∂s‖", color=INK)
        for axes in (left, right):
            mark_one(axes)
        left.set_ylabel("norm" if self.exact else "norm, estimated from below", color=INK)
        return figure


def jacobian_norms(
    model: keras.Model,
    x,
    *,
    layers=None,
    method: str = "auto",
    iterations: int = 30,
    seed: int = 0,
    batch_size: int | None = None,
) -> JacobianNorms:
    """Measures how much a model's states move with its input, and its last state with each of them.

    A state is the output of a layer which every path from input to output crosses: in a chain each
    layer's output, in a residual model the sums. With `s_0 = x` and the layers' Jacobians
    `F_k = ∂s_k/∂s_{k-1}` the norms are those of

        ∂s_k/∂x = F_k ··· F_1   and   ∂s_L/∂s_k = F_L ··· F_{k+1}.

    `"exact"` computes each F_k in the model's dtype by vector-Jacobian products with unit vectors,
    and the products and their SVDs in float64. `"power_iteration"` iterates `v ← JᵀJv/‖JᵀJv‖` from
    a random start and returns ‖Jv‖: an *estimate*, up to rounding never above the norm, and 0 below
    the smallest numbers of the dtype. Neither is a bound for other inputs.

    Args:
        model: a built functional or sequential model with one input and one output. A nested model
            counts as one layer.
        x: inputs, of shape `(examples, ...)`.
        layers: names of the layers to look at, in order. `None` takes all states, but not the
            output of a last layer named `head`: the last state is then the input of the head.
        method: `"exact"`, `"power_iteration"`, or `"auto"`: exact when no state has more than 256
            numbers.
        iterations: steps of the power iteration.
        seed: seed of its start.
        batch_size: vectors sent through the model at once; exactly, at least all unit vectors of
            one example are. `None` takes as many as fit about 64 MiB for all states.

    Returns:
        A `JacobianNorms`. The layers run as at inference.

    Raises:
        TypeError: if `model` is no Keras model or `x` no array of numbers.
        ValueError: if the model has no states, several inputs, an input that is not floating point,
            or masks; or the inputs, names or settings do not fit.
        NotImplementedError: if the backend has no gradients.

    Reference: for Hamiltonian layers, whose backward norms are at least 1,
    [arXiv:2105.13205](https://arxiv.org/abs/2105.13205).

    Example: a rotation by a right angle between scalings by 3 and 1/2.

    >>> model = keras.Sequential([
    ...     keras.Input((2,)),
    ...     keras.layers.Rescaling(3.0, name="triple"),
    ...     keras.layers.Dense(2, use_bias=False, name="rotate"),
    ...     keras.layers.Rescaling(0.5, name="halve"),
    ... ])
    >>> model.set_weights([np.array([[0.0, 1.0], [-1.0, 0.0]])])
    >>> norms = jacobian_norms(model, np.ones((1, 2)))
    >>> norms.forward[:, 0].tolist(), norms.backward[:, 0].tolist()
    ([3.0, 3.0, 1.5], [0.5, 0.5, 1.0])
    """
    return StateJacobians(
        model,
        x,
        layers=layers,
        method=method,
        iterations=iterations,
        seed=seed,
        batch_size=batch_size,
    ).norms()


class StateJacobians:
    """The Jacobians of a model's states at fixed inputs, compiled once for changing weights.

    Args: as for `jacobian_norms`.

    Attributes:
        names: of the states.
        weights: per state, the trainable variables between the state before and this one.
        method: `"exact"` or `"power_iteration"`.
    """

    def __init__(
        self, model, x, *, layers=None, method="auto", iterations=30, seed=0, batch_size=None
    ):
        if method not in METHODS:
            raise ValueError(f"Expected method to be one of {METHODS}. Received: method={method!r}")
        function = checked_function(model)
        self._x = check_inputs(model, x)[0].astype(function.inputs[0].dtype)
        self._source = function.inputs[0]
        self._nodes = nodes_on_paths(function)
        names, tensors = chosen_states(model, states_of(function, self._nodes), layers)
        self.names: tuple[str, ...] = names
        self._positions = {id(tensor): k for k, tensor in enumerate(tensors)}
        self._nodes = self._nodes[: position_of(self._nodes, tensors[-1]) + 1]
        self.weights = weights_between(self._nodes, tensors)
        self._measure_states(tensors)

        largest = max(self._sizes[1:])
        if method == "auto":
            method = "exact" if largest <= _LARGEST_EXACT else "power_iteration"
        self.method = method
        self._iterations, self._seed = integer(iterations, "iterations"), seed
        if batch_size is None:
            batch_size = max(1, _NUMBERS_AT_ONCE // sum(self._sizes))
        self._rows = integer(batch_size, "batch_size")
        self._pull = vector_jacobian_product(self._moved_states, list(model.variables))
        self._push = jacobian_vector_product(self._moved_states, list(model.variables))

    def norms(self) -> JacobianNorms:
        """The norms for the weights as they are now."""
        with np.errstate(all="ignore"):
            exact = self.method == "exact"
            forward, backward = self._exact() if exact else self._power_iteration()
        return JacobianNorms(self.names, forward, backward, self.method)

    def state_norms(self) -> np.ndarray:
        """`‖s_k‖`, shape `(layers, examples)`, float64; infinite where a state is not finite."""
        rows = []
        step = max(1, _NUMBERS_AT_ONCE // sum(self._sizes))
        for first in range(0, len(self._x), step):
            points = map(ops.convert_to_tensor, self._points(self._x[first : first + step]))
            rows.append(ops.convert_to_numpy(self._moved_states(*points)).astype("float64"))
        with np.errstate(over="ignore", invalid="ignore"):
            parts = np.split(np.concatenate(rows), np.cumsum(self._sizes[1:-1]), axis=1)
            norms = np.array([np.linalg.norm(part, axis=1) for part in parts])
        return np.where(np.isfinite(norms), norms, np.inf)

    def _measure_states(self, tensors):
        """Runs one example, for shapes that the graph leaves open; finds sizes and dtype."""
        states = self._run(ops.convert_to_tensor(self._x[:1]), lambda k, state: state)
        dtypes = {self._source.dtype, *(state.dtype for state in states)}
        dtypes = {keras.backend.standardize_dtype(dtype) for dtype in dtypes}
        if not all(map(keras.backend.is_float_dtype, dtypes)):
            raise ValueError(
                f"Expected an input and states of floating point types. Received: {sorted(dtypes)}"
            )
        self._dtype = "float64" if "float64" in dtypes else "float32"
        self._shapes = [self._x.shape[1:], *(tuple(state.shape[1:]) for state in states)]
        self._sizes = [math.prod(shape) for shape in self._shapes]

    def _run(self, value, passed_on):
        """The states for an input; layer k + 1 is given `passed_on(k, s_k)` instead of s_k."""
        values, states = {id(self._source): passed_on(0, value)}, []
        for node in self._nodes:
            args, kwargs = node.arguments.fill_in(values)
            results = keras.tree.flatten(node.operation(*args, **kwargs))
            for tensor, result in zip(node.outputs, results, strict=True):
                if id(tensor) in self._positions:
                    states.append(result)
                    if len(states) < len(self._positions):
                        result = passed_on(len(states), result)
                values[id(tensor)] = result
        return states

    def _moved_states(self, offsets, x, targets=None):
        """`(s_1, …, s_L)`, flattened, where `offsets[k]` is added to s_k for k < L.

        Each row passes derivatives on up to the state with the number `targets`; without targets no
        state does, so that the offset of s_k moves s_{k+1} alone.
        """

        def moved(k, state):
            first = sum(self._sizes[:k])
            offset = offsets[:, first : first + self._sizes[k]]
            offset = ops.cast(ops.reshape(offset, (-1, *self._shapes[k])), state.dtype)
            ended = ops.stop_gradient(state)
            if targets is not None:
                # Not by zeros in the vectors: these times an infinite derivative would be NaN.
                is_ended = ops.reshape(targets <= k, (-1, *(1,) * len(self._shapes[k])))
                ended = ops.where(is_ended, ended, state)
            return ended + offset

        states = self._run(x, moved)
        flat = [
            ops.reshape(state, (-1, size))
            for state, size in zip(states, self._sizes[1:], strict=True)
        ]
        return ops.concatenate([ops.cast(state, self._dtype) for state in flat], axis=1)

    def _exact(self):
        forward = np.empty((len(self.names), len(self._x)))
        backward = np.empty_like(forward)
        per_pass = min(len(self._x), max(1, self._rows // max(self._sizes[1:])))
        for first in range(0, len(self._x), per_pass):
            # The last pass is filled up with examples again: each new shape would be compiled.
            examples = np.arange(first, first + per_pass) % len(self._x)
            jacobians = self._layer_jacobians(self._x[examples])
            forward[:, examples], backward[:, examples] = _norms_of_products(jacobians)
        return forward, backward

    def _layer_jacobians(self, x):
        """`F_1, …, F_L` in float64, each of shape `(examples, size of s_k, size of s_{k-1})`."""
        units = max(self._sizes[1:])
        vectors = np.concatenate([np.eye(units, size) for size in self._sizes[1:]], axis=1)
        vectors = np.tile(vectors.astype(self._dtype), (len(x), 1))
        pulled = self._pull(vectors, *self._points(np.repeat(x, units, axis=0)))
        pulled = pulled.reshape(len(x), units, -1)
        parts = np.split(pulled, np.cumsum(self._sizes[:-1])[:-1], axis=2)
        return [
            part[:, :size].astype("float64")
            for part, size in zip(parts, self._sizes[1:], strict=True)
        ]

    def _power_iteration(self):
        depth = len(self.names)
        pairs = [(0, k) for k in range(1, depth + 1)] + [(k, depth) for k in range(1, depth)]
        starts = [
            np.random.default_rng((self._seed, k)).standard_normal(size)
            for k, size in enumerate(self._sizes[:-1])
        ]
        total = len(pairs) * len(self._x)
        per_pass, norms = min(self._rows, total), np.empty(total)
        for first in range(0, total, per_pass):
            rows = np.arange(first, first + per_pass) % total
            sources, targets = np.array(pairs)[rows % len(pairs)].T
            norms[rows] = self._iterate(self._x[rows // len(pairs)], sources, targets, starts)
        norms = norms.reshape(len(self._x), len(pairs)).T
        return norms[:depth], np.concatenate([norms[depth:], np.ones((1, len(self._x)))])

    def _iterate(self, x, sources, targets, starts):
        """Estimates `‖∂s_target/∂s_source‖` for each row of x."""
        points = (*self._points(x), targets.astype("int32"))
        is_source = np.repeat(np.arange(len(starts)), self._sizes[:-1]) == sources[:, None]
        is_target = np.repeat(np.arange(len(starts)) + 1, self._sizes[1:]) == targets[:, None]
        vectors = np.where(is_source, np.concatenate(starts), 0.0)
        for _ in range(self._iterations):
            images = np.where(is_target, self._push(self._scaled(vectors), *points), 0.0)
            vectors = np.where(is_source, self._pull(self._scaled(images), *points), 0.0)
        images = np.where(is_target, self._push(self._scaled(vectors), *points), 0.0)
        norms = _row_norms(images)[:, 0]
        return np.where(np.isfinite(norms), norms, np.inf)

    def _points(self, x):
        """No offsets, and the inputs, in the dtype that is differentiated in."""
        return np.zeros((len(x), sum(self._sizes[:-1])), self._dtype), x.astype(self._dtype)

    def _scaled(self, vectors):
        norms = _row_norms(vectors)
        return (vectors / np.where(norms > 0, norms, 1.0)).astype(self._dtype)


def _row_norms(vectors):
    return np.linalg.norm(vectors.astype("float64"), axis=1, keepdims=True)


def _norms_of_products(jacobians):
    """`‖F_k ··· F_1‖` and `‖F_L ··· F_{k+1}‖`, each of shape `(layers, examples)`."""
    with single_threaded_blas():
        products = accumulate(jacobians, lambda product, jacobian: jacobian @ product)
        forward = [_spectral_norms(product) for product in products]
        products = accumulate(jacobians[:0:-1], lambda product, jacobian: product @ jacobian)
        backward = [np.ones_like(forward[0]), *map(_spectral_norms, products)]
    return np.array(forward), np.array(backward[::-1])


def _spectral_norms(matrices):
    """Largest singular values of matrices; infinite where an entry is not finite."""
    finite = np.isfinite(matrices).all(axis=(-2, -1), keepdims=True)
    norms = np.linalg.norm(np.where(finite, matrices, 0.0), 2, axis=(-2, -1))
    return np.where(finite[..., 0, 0], norms, np.inf)


def new_panels(panels, caller):
    """A figure with panels side by side over the same depth, and the list of these.

    Raises:
        ImportError: if Matplotlib is not installed.
    """
    figure = new_figure(4.8 * panels, 3.8, caller)
    return figure, list(figure.subplots(1, panels, sharex=True, squeeze=False)[0])


def draw_over_depth(axes, norms, color, label=None):
    """Draws norms of shape `(layers, examples)` over depth: median, and a band from min to max."""
    depth = np.arange(1, len(norms) + 1)
    axes.plot(depth, np.median(norms, axis=1), color=color, marker=".", label=label)
    axes.fill_between(depth, norms.min(axis=1), norms.max(axis=1), color=color, alpha=0.15)
    if np.any(norms > 0):
        axes.set_yscale("log")
    axes.set_xlabel("layer")
    decorate(axes)


def mark_one(axes):
    """Draws the line between norms that grow and norms that shrink."""
    axes.axhline(1.0, color=GREY, linewidth=1.0, linestyle=DASHES)
