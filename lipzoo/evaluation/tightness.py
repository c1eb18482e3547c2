"""How much of a proven Lipschitz bound a search can reach: an estimate from below."""

import math
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import ops

from lipzoo.autodiff.input_gradients import value_and_input_gradient
from lipzoo.autodiff.jacobian_products import jacobian_vector_product, vector_jacobian_product
from lipzoo.bounds import lipschitz_bound
from lipzoo.certificates.inputs import check_inputs
from lipzoo.certificates.prediction import check_runs_as_recorded
from lipzoo.evaluation.balls import norms, scaled
from lipzoo.validation import finite_number, integer

# Jacobians with at most so many rows are written down.
_LARGEST_EXACT = 64
_POWER_ITERATIONS = 30
_TINY = 1e-30
# What the middle and the direction of a pair move by in a step, as shares of its length.
_MIDDLE_STEP, _TURN = 0.3, 0.1


@dataclass(frozen=True, eq=False)
class Tightness:
    """A proven bound, and what was found below it.

    Attributes:
        bound: the proven Lipschitz bound L, for all inputs.
        local: `‖∂f/∂x‖` at each example, float64; shape `(examples,)`.
        ratio: the largest `‖f(a) - f(b)‖ / ‖a - b‖` that the search found from each example.
        pairs: those pairs, shape `(examples, 2, ...)`.
        exact: whether `local` are norms of Jacobians written down, or power iteration's estimates
            of them from below.
    """

    bound: float
    local: np.ndarray
    ratio: np.ndarray
    pairs: np.ndarray = field(repr=False)
    exact: bool

    @property
    def found(self) -> float:
        """The largest number found, a lower estimate of the Lipschitz constant."""
        return float(max(self.local.max(), self.ratio.max()))

    @property
    def share(self) -> float:
        """`found / bound`: the bound is loose by no more than the inverse of this."""
        return self.found / self.bound if self.bound > 0 else math.nan

    def __str__(self) -> str:
        """Two lines: the bound, and what came near it."""
        return (
            f"proven bound {self.bound:.6g}, largest ratio found {self.found:.6g}: "
            f"{100 * self.share:.3g} % of it\n"
            f"Jacobian norms at {len(self.local):,} examples from {self.local.min():.4g} to "
            f"{self.local.max():.4g}, ratios of pairs up to {self.ratio.max():.6g}"
        )


def tightness(
    model: keras.Model,
    x,
    *,
    distance: float = 1.0,
    steps: int = 100,
    seed: int = 0,
    batch_size: int = 256,
) -> Tightness:
    """Compares the proven bound of a model with what its inputs really do: an estimate from below.

    The Lipschitz constant is the supremum of the norms of all Jacobians, and of all ratios
    `‖f(a) - f(b)‖ / ‖a - b‖`. Looked at are

    1. the Jacobian's norm at every example;
    2. from each example on, the ratio of a pair at a fixed distance, which starts in the direction
       that the Jacobian stretches most and climbs the gradient of the ratio's logarithm, wherever
       that leads.

    The truth lies between what is found and the bound. A large share says that the bound is tight;
    a small one says that it is loose or that the search is weak.

    Args:
        model: built `keras.Model` with one input and one output.
        x: inputs, of shape `(examples, ...)`.
        distance: of a pair, in the units of x. Ratios of float32 computations err by about 1e-6 of
            the outputs' norm over this distance; those of a model in float64 by next to nothing.
        steps: of the search; 0 for none.
        seed: seed of the power iteration's start.
        batch_size: examples at once.

    Returns:
        A `Tightness`.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: if the inputs do not fit, or a setting is out of range.

    Example: a linear map is as tight as its norm.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.diag([3.0, 1.0])])
    >>> found = tightness(model, np.zeros((1, 2)), steps=5)
    >>> round(found.bound, 6), round(found.found, 4), round(found.share, 4)
    (3.0, 3.0, 1.0)
    """
    check_runs_as_recorded(model)
    arrays = check_inputs(model, x)
    if len(arrays) != 1:
        raise ValueError(f"Expected a model with one input. Received: {len(arrays)} inputs")
    batch_size = integer(batch_size, "batch_size")
    distance = finite_number(distance, "distance", positive=True)
    if not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps must be a whole number of at least 0. Received: steps={steps!r}")
    x = arrays[0].astype(model.inputs[0].dtype)
    bound = lipschitz_bound(model).value
    outputs = math.prod(model.output_shape[1:])

    def flat(points):
        return ops.reshape(model(points, training=False), (-1, outputs))

    pull = vector_jacobian_product(flat, list(model.variables))
    push = jacobian_vector_product(flat, list(model.variables))
    climb = value_and_input_gradient(_log_ratio(flat), list(model.variables))
    random = np.random.default_rng(seed)
    local, ratio = np.empty(len(x)), np.empty(len(x))
    pairs = np.empty((len(x), 2, *x.shape[1:]), x.dtype)
    for first in range(0, len(x), batch_size):
        part = slice(first, first + batch_size)
        if outputs <= _LARGEST_EXACT:
            local[part], direction = _written_down(pull, x[part], outputs)
        else:
            local[part], direction = _by_power_iteration(pull, push, x[part], random)
        pairs[part], ratio[part] = _search(climb, x[part], direction, distance, steps)
    return Tightness(bound, local, ratio, pairs, outputs <= _LARGEST_EXACT)


def _written_down(pull, x, outputs):
    """Norms of the Jacobians, and what they stretch most, from one product for each row."""
    rows = []
    for k in range(outputs):
        vector = np.zeros((len(x), outputs), x.dtype)
        vector[:, k] = 1.0
        rows.append(pull(vector, x).reshape(len(x), -1))
    jacobians = np.stack(rows, axis=1).astype("float64")
    _, values, right = np.linalg.svd(jacobians, full_matrices=False)
    return values[:, 0], right[:, 0].reshape(x.shape)


def _by_power_iteration(pull, push, x, random):
    direction = scaled(random.standard_normal(x.shape), np.ones(len(x)))
    for _ in range(_POWER_ITERATIONS):
        image = push(direction.astype(x.dtype), x)
        direction = scaled(pull(image, x).astype("float64"), np.ones(len(x)))
    return norms(push(direction.astype(x.dtype), x).astype("float64")), direction


def _log_ratio(flat):
    def function(pairs):
        first, second = pairs[:, 0], pairs[:, 1]
        moved = ops.sum(ops.square(flat(first) - flat(second)), axis=-1)
        axes = tuple(range(1, len(first.shape)))
        apart = ops.sum(ops.square(first - second), axis=axes)
        return 0.5 * (ops.log(moved + _TINY) - ops.log(apart + _TINY))

    return function


def _search(climb, x, direction, distance, steps):
    """The pairs with the largest ratios on the way up, and these."""
    length = np.full(len(x), distance)
    middle, half = x.astype("float64"), scaled(direction, 0.5 * length)
    best, highest = np.zeros((len(x), 2, *x.shape[1:]), x.dtype), np.zeros(len(x))
    for _ in range(steps + 1):
        pairs = np.stack([middle + half, middle - half], axis=1).astype(x.dtype)
        logarithm, gradient = climb(pairs)
        ratio = np.exp(logarithm.astype("float64"))
        better = ratio > highest
        best[better], highest[better] = pairs[better], ratio[better]
        first, second = gradient[:, 0].astype("float64"), gradient[:, 1].astype("float64")
        middle = middle + scaled(first + second, _MIDDLE_STEP * length)
        # The direction turns towards a better one, and the distance stays what it is.
        half = scaled(half + scaled(first - second, _TURN * length), 0.5 * length)
    return best, highest
