"""The iteration behind `total_variation`: multipliers, each example with its own penalty."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from lipzoo.inverse.total_variation.objective import into_balls, positive, squares

# Found by trial on deblurring, tomography and inpainting; they change the speed only.
_OVER_RELAXATION = 1.7
_FIRST_PENALTY = 6.0
_BALANCE = 64.0
_CHECK_EVERY = 10
_ADAPT_UNTIL = 500
# Objectives below this share of ½‖y‖² count as zero.
_NEGLIGIBLE = 1e-9


@dataclass
class _State:
    """One row per example that is not finished.

    `back` is Aᵀy; `gradients` and `boxed` are the split variables, the `_multipliers` are theirs,
    divided by ρ.
    """

    index: np.ndarray
    y: np.ndarray
    back: np.ndarray
    weight: np.ndarray
    penalty: np.ndarray
    gradients: np.ndarray
    boxed: np.ndarray
    gradient_multipliers: np.ndarray
    box_multipliers: np.ndarray
    lowest: np.ndarray
    highest_dual: np.ndarray
    best: np.ndarray

    def select(self, rows):
        return _State(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


def solve(model, y, weight, tolerance, max_iterations, verbose):
    """Images, gaps and iterations of one chunk."""
    state = _start(model, y, weight)
    images, gaps = state.boxed.copy(), np.full(len(y), np.inf)
    iterations = np.zeros(len(y), int)
    for iteration in range(max_iterations + 1):
        if iteration:
            step = _step(model, state)
        if iteration % _CHECK_EVERY and iteration < max_iterations:
            continue
        gap = _update_gap(model, state)
        done = gap <= tolerance
        if verbose and iteration % (10 * _CHECK_EVERY) == 0:
            print(f"iteration {iteration}: {len(gap)} left, gap {gap.min():.2e}..{gap.max():.2e}")
        images[state.index], gaps[state.index] = state.best, gap
        iterations[state.index] = iteration
        if done.all():
            break
        if 0 < iteration <= _ADAPT_UNTIL:
            _balance(model, state, step)
        if done.any():
            state = state.select(~done)
    return images, gaps, iterations


def _start(model, y, weight):
    """The best constant image: the solution, where that is one."""
    ones = model.matrix.sum(axis=1)
    level = y @ ones / max(ones @ ones, np.finfo(float).tiny)
    boxed = np.clip(level, *model.bounds)[:, None] * np.ones(model.matrix.shape[1])
    gradients = np.zeros_like(model.gradient(boxed))
    low, high = model.bounds
    return _State(
        index=np.arange(len(y)),
        y=y,
        back=y @ model.matrix,
        weight=weight,
        penalty=_FIRST_PENALTY * weight / (high - low),
        gradients=gradients,
        boxed=boxed,
        gradient_multipliers=gradients.copy(),
        box_multipliers=np.zeros_like(boxed),
        lowest=np.full(len(y), np.inf),
        highest_dual=np.full(len(y), -np.inf),
        best=boxed.copy(),
    )


def _step(model, state):
    """One iteration; returns what `_balance` compares."""
    penalty = state.penalty[:, None]
    right = model.gradient_adjoint(state.gradients - state.gradient_multipliers)
    right += state.boxed - state.box_multipliers
    x = model.solve(state.back + penalty * right, penalty)
    gradient = model.gradient(x)
    old_gradients, old_boxed = state.gradients, state.boxed
    relaxed = _OVER_RELAXATION * gradient + (1 - _OVER_RELAXATION) * old_gradients
    relaxed += state.gradient_multipliers
    radius = (state.weight / state.penalty)[:, None, None]
    state.gradient_multipliers = into_balls(relaxed, radius)
    state.gradients = relaxed - state.gradient_multipliers
    relaxed = _OVER_RELAXATION * x + (1 - _OVER_RELAXATION) * old_boxed + state.box_multipliers
    state.boxed = np.clip(relaxed, *model.bounds)
    state.box_multipliers = relaxed - state.boxed
    return x, gradient, old_boxed, old_gradients


def _balance(model, state, step):
    """Raises ρ where the primal residual is larger, lowers it where the dual one is.

    Both count relative to their terms: x and ∇x, and the multipliers over ρ.
    """
    x, gradient, old_boxed, old_gradients = step
    primal = squares(gradient - state.gradients) + squares(x - state.boxed)
    primal /= positive(squares(gradient) + squares(x))
    change = model.gradient_adjoint(state.gradients - old_gradients) + state.boxed - old_boxed
    force = model.gradient_adjoint(state.gradient_multipliers) + state.box_multipliers
    dual = squares(change) / positive(squares(force))
    factor = np.clip((_BALANCE * primal / positive(dual)) ** 0.25, 0.2, 5.0)
    factor[(factor > 2 / 3) & (factor < 1.5)] = 1.0
    state.penalty = state.penalty * factor
    state.gradient_multipliers = state.gradient_multipliers / factor[:, None, None]
    state.box_multipliers = state.box_multipliers / factor[:, None]


def _update_gap(model, state):
    """Relative gap between the lowest objective and the highest dual value so far."""
    residual = state.boxed @ model.matrix.T - state.y
    objective = model.objective(state.boxed, residual, state.weight)
    q = state.penalty[:, None, None] * state.gradient_multipliers
    q = into_balls(q, state.weight[:, None, None])
    dual = model.dual(residual, q, state.y)
    state.best = np.where((objective < state.lowest)[:, None], state.boxed, state.best)
    state.lowest = np.minimum(state.lowest, objective)
    state.highest_dual = np.maximum(state.highest_dual, dual)
    scale = np.maximum(state.lowest, _NEGLIGIBLE * 0.5 * squares(state.y))
    return np.maximum(state.lowest - state.highest_dual, 0.0) / positive(scale)
