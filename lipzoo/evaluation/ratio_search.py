"""Searches for pairs of inputs whose outputs lie far apart, relative to their distance."""

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from lipzoo.autodiff.input_gradients import value_and_input_gradient
from lipzoo.autodiff.jacobian_products import jacobian_vector_product, vector_jacobian_product
from lipzoo.evaluation.balls import norms, scaled

# Jacobians with at most so many rows are written down.
_LARGEST_EXACT = 64
_POWER_ITERATIONS = 30
_TINY = 1e-30
# What the middle and the direction of a pair move by in a step, as shares of its length.
_MIDDLE_STEP, _TURN = 0.3, 0.1


@dataclass(frozen=True, eq=False)
class FoundRatios:
    """What the search found from each example; estimates from below, computed by the model.

    Attributes:
        local: `‖∂f/∂x‖` at each example, float64; shape `(examples,)`. NaN where it overflows.
        ratio: the largest `‖f(a) - f(b)‖ / ‖a - b‖` on the way from each example.
        pairs: those pairs, shape `(examples, 2, ...)`, in the type that the model takes.
        exact: whether `local` are norms of Jacobians written down, or power iteration's estimates
            of them from below.
    """

    local: np.ndarray
    ratio: np.ndarray
    pairs: np.ndarray
    exact: bool


def search_ratios(
    model: keras.Model, x: np.ndarray, distance: float, steps: int, seed: int, batch_size: int
) -> FoundRatios:
    """Climbs from each example to a pair with a large ratio `‖f(a) - f(b)‖ / ‖a - b‖`.

    A pair at a fixed distance starts in the direction that the Jacobian stretches most and climbs
    the gradient of the ratio's logarithm, wherever that leads.

    Args:
        model: built model with one input and one output of known size.
        x: inputs, of shape `(examples, ...)`, in the type that the model takes.
        distance: of a pair, positive.
        steps: of the search; 0 for the start alone.
        seed: seed of the power iteration's start.
        batch_size: examples at once.

    Returns:
        `FoundRatios`.
    """
    outputs = math.prod(model.output_shape[1:])
    dtype = keras.backend.standardize_dtype(model.outputs[0].dtype)

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
            local[part], direction = _written_down(pull, x[part], outputs, dtype)
        else:
            local[part], direction = _by_power_iteration(pull, push, x[part], random)
        pairs[part], ratio[part] = _climbed(climb, x[part], direction, distance, steps)
    return FoundRatios(local, ratio, pairs, outputs <= _LARGEST_EXACT)


def _written_down(pull, x, outputs, dtype):
    """Norms of the Jacobians, and what they stretch most, from one product for each row."""
    rows = []
    for k in range(outputs):
        vector = np.zeros((len(x), outputs), dtype)
        vector[:, k] = 1.0
        rows.append(pull(vector, x).reshape(len(x), -1))
    jacobians = np.stack(rows, axis=1).astype("float64")
    known = np.isfinite(jacobians).all(axis=(1, 2))
    jacobians[~known] = 0.0
    _, values, right = np.linalg.svd(jacobians, full_matrices=False)
    return np.where(known, values[:, 0], np.nan), right[:, 0].reshape(x.shape)


def _by_power_iteration(pull, push, x, random):
    direction = scaled(random.standard_normal(x.shape), np.ones(len(x)))
    for _ in range(_POWER_ITERATIONS):
        image = push(direction.astype(x.dtype), x)
        direction = scaled(pull(image, x).astype("float64"), np.ones(len(x)))
    return norms(push(direction.astype(x.dtype), x).astype("float64")), direction


def _log_ratio(flat):
    def function(pairs):
        first, second = pairs[:, 0], pairs[:, 1]
        rows = flat(first) - flat(second)
        # Squares of large numbers overflow; a factor that is constant leaves the gradient alone.
        largest = ops.stop_gradient(ops.max(ops.abs(rows), axis=-1)) + _TINY
        moved = ops.sum(ops.square(rows / largest[:, None]), axis=-1)
        axes = tuple(range(1, len(first.shape)))
        # Models in float64 may take float32.
        apart = ops.cast(ops.sum(ops.square(first - second), axis=axes), moved.dtype)
        return ops.log(largest) + 0.5 * (ops.log(moved + _TINY) - ops.log(apart + _TINY))

    return function


def _climbed(climb, x, direction, distance, steps):
    """The pairs with the largest ratios on the way up, and these."""
    length = np.full(len(x), distance)
    middle, half = x.astype("float64"), scaled(direction, 0.5 * length)
    best, highest = np.zeros((len(x), 2, *x.shape[1:]), x.dtype), np.zeros(len(x))
    for _ in range(steps + 1):
        pairs = np.stack([middle + half, middle - half], axis=1).astype(x.dtype)
        logarithm, gradient = climb(pairs)
        ratio = np.exp(logarithm.astype("float64"))
        # Where an output overflows there is no ratio, and infinity would hide all others.
        better = (ratio > highest) & np.isfinite(ratio)
        best[better], highest[better] = pairs[better], ratio[better]
        first, second = gradient[:, 0].astype("float64"), gradient[:, 1].astype("float64")
        middle = middle + scaled(first + second, _MIDDLE_STEP * length)
        # The direction turns towards a better one, and the distance stays what it is.
        half = scaled(half + scaled(first - second, _TURN * length), 0.5 * length)
    return best, highest
