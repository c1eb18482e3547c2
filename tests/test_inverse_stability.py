"""The bound of a data step: against every perturbation there is, and its limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipzoo.inverse.data_step_bound import data_step_bound, fixed_point_bound

_amounts = st.one_of(st.just(0.0), st.floats(1e-6, 20))


@st.composite
def cases(draw):
    """Bounds of state and data, a norm, a step size within its interval, a smallest value."""
    norm = draw(st.floats(0.1, 3))
    share = draw(st.floats(0.02, 1.98))
    smallest = draw(st.sampled_from([0.0, 0.3, 0.9])) * norm
    return draw(_amounts), draw(_amounts), share / norm**2, norm, smallest


def worst_found(a, b, tau, norm, smallest, seed=0):
    """The largest movement over perturbations of two singular components, by search."""
    values = np.linspace(smallest, norm, 9)
    angles = np.linspace(0, np.pi / 2, 41)
    split = np.stack([np.cos(angles), np.sin(angles)])
    best = 0.0
    for s in values:
        for t in values:
            pair = np.array([s, t])[:, None]
            x = np.abs(1 - tau * pair**2) * a * split
            y = tau * pair * b * split
            moved = x[:, :, None] + y[:, None, :]
            best = max(best, float(np.sqrt((moved**2).sum(axis=0)).max()))
    return best


@given(cases())
@settings(max_examples=150, deadline=None)
def test_no_perturbation_exceeds_the_bound(case):
    assert worst_found(*case) <= data_step_bound(*case) * (1 + 1e-12)


@given(cases())
@settings(max_examples=150, deadline=None)
def test_it_is_never_above_the_triangle_inequality(case):
    a, b, tau, norm, smallest = case
    contraction = max(abs(1 - tau * norm**2), abs(1 - tau * smallest**2))
    assert data_step_bound(*case) <= (contraction * a + tau * norm * b) * (1 + 1e-12)


@given(cases())
@settings(max_examples=60, deadline=None)
def test_it_is_the_best_that_any_weight_gives(case):
    a, b, tau, norm, smallest = case
    u = np.array([smallest**2, norm**2])[:, None]
    q = np.logspace(-8, 8, 4001)
    squares = (a**2 + q * b**2) * np.max((1 - tau * u) ** 2 + tau**2 * u / q, axis=0)
    assert data_step_bound(*case) <= math.sqrt(squares.min()) * (1 + 1e-9)


@given(st.integers(1, 200), st.floats(0.02, 1.0), st.floats(0.5, 2.0))
@settings(max_examples=50, deadline=None)
def test_steps_add_to_the_square(steps, share, norm):
    tau = share / norm**2
    # From here on the state is large enough for the closed form.
    first = bound = 10.0 / norm
    for _ in range(steps):
        bound = data_step_bound(bound, 1.0, tau, norm)
    expected = math.sqrt(first**2 + steps * tau / (2 - tau * norm**2))
    assert bound == pytest.approx(expected, rel=1e-9)


def test_a_long_step_is_bounded_by_the_triangle_inequality_at_the_norm():
    assert data_step_bound(1.0, 1.0, 1.99, 1.0) == pytest.approx(0.99 + 1.99)


@given(st.floats(0.05, 0.999), st.floats(0.05, 1.95), st.floats(0.3, 3.0))
@settings(max_examples=60, deadline=None)
def test_the_fixed_point_bound_is_a_fixed_point_of_the_step_bound(q, share, norm):
    tau = share / norm**2
    bound = fixed_point_bound(q, tau, norm)
    assert q * data_step_bound(bound, 1.0, tau, norm) == pytest.approx(bound, rel=1e-6)
    assert bound <= q * tau * norm / (1 - q) * (1 + 1e-6)


def test_the_fixed_point_of_a_linear_map_moves_within_its_bound():
    generator = np.random.default_rng(0)
    for q in (0.5, 0.9, 0.99):
        for tau in (0.3, 1.0, 1.9):
            left, _ = np.linalg.qr(generator.normal(size=(6, 6)))
            rotation, _ = np.linalg.qr(generator.normal(size=(6, 6)))
            matrix = left * np.array([1.0, 0.8, 0.3, 0.1, 0.0, 0.0])
            # x = qR(x - τAᵀ(Ax - y))
            step = q * rotation @ (np.eye(6) - tau * matrix.T @ matrix)
            solution = np.linalg.solve(np.eye(6) - step, q * rotation @ (tau * matrix.T))
            assert np.linalg.norm(solution, 2) <= fixed_point_bound(q, tau, 1.0)


def test_without_contraction_there_is_no_bound_unless_the_operator_is_injective():
    assert fixed_point_bound(1.0, 1.0, 1.0) == math.inf
    assert fixed_point_bound(1.0, 1.0, 1.0, smallest=0.5) == pytest.approx(2.0, rel=1e-6)
    assert fixed_point_bound(0.0, 1.0, 1.0) == 0.0
