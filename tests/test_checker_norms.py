"""The checker's own mathematics, against closed forms, SciPy, lipzoo and brute force."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from lipzoo import activations, inverse
from lipzoo.inverse.data_step_bound import data_step_bound
from lipzoo_catalogue.checker.activations import slopes_of
from lipzoo_catalogue.checker.architectures.invnet import _joint_norm, after_data_step
from lipzoo_catalogue.checker.convolutions import torus_norm, written_down
from lipzoo_catalogue.checker.forward_operators import read_operator
from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.operators import TorusOperator, convolution_operator
from lipzoo_catalogue.checker.singular import singular_values
from tests.convolution_operators import keras_operator

numbers = st.floats(min_value=0, max_value=1e150)


@given(numbers, numbers)
def test_intervals_enclose_the_exact_results(a, b):
    first, second = Interval.exactly(a), Interval.exactly(b)
    exact_a, exact_b = Fraction(a), Fraction(b)
    results = [(first + second, exact_a + exact_b), (first * second, exact_a * exact_b)]
    if b > 1e-150:
        results.append((first / second, exact_a / exact_b))
    for interval, exact in results:
        assert Fraction(interval.low) <= exact <= Fraction(interval.high)
        assert interval.high <= math.nextafter(interval.low, math.inf)
    root = first.sqrt()
    assert Fraction(root.low) ** 2 <= exact_a <= Fraction(root.high) ** 2


def test_exact_results_stay_exact():
    two = Interval.exactly(2.0)
    assert (two * two).sqrt() == two
    assert (two + two).minus_one() == Interval.exactly(3.0)
    assert Interval.exactly(0.5).minus_one() == Interval.exactly(0.0)
    assert two.power(3) == Interval.exactly(8.0)
    with pytest.raises(ZeroDivisionError):
        two / Interval(0.0, 1.0)
    with pytest.raises(ValueError, match="Received"):
        Interval(2.0, 1.0)


@pytest.mark.parametrize("size", [1, 8, 300])
def test_singular_values_are_enclosed_where_they_are_known_exactly(size):
    # Integers: the one singular value of u vᵀ is the root of a product of two integers.
    generator = np.random.default_rng(size)
    u, v = generator.integers(-9, 10, size), generator.integers(-9, 10, 2 * size)
    u[0] = v[0] = 1
    values = singular_values(np.outer(u, v).astype("float64")).largest
    square = int(u @ u) * int(v @ v)
    assert Fraction(values.low) ** 2 <= square <= Fraction(values.high) ** 2
    assert values.rounding < 1e-9


def test_all_singular_values_are_enclosed_also_of_stacks_and_of_nearly_singular_matrices():
    generator = np.random.default_rng(0)
    q1, q2 = (np.linalg.qr(generator.normal(size=(40, 40)))[0] for _ in range(2))
    spectrum = np.logspace(0, -14, 40)
    graded = (q1 * spectrum) @ q2
    stack = np.stack([graded, 1e200 * graded, np.zeros((40, 40))])
    for matrices in (stack, stack[:1] * (1 + 2j)):
        values = singular_values(matrices)
        for matrix, low, high in zip(matrices, values.low, values.high, strict=True):
            exact = scipy.linalg.svdvals(matrix)
            tolerance = 40 * 2.0**-52 * exact.max()
            assert np.all(low <= exact + tolerance)
            assert np.all(exact <= high + tolerance)
            assert np.all(high - low <= 1e-11 * (exact.max() or 1.0))


def test_the_torus_has_to_be_large_enough():
    second_difference = np.array([-1.0, 2.0, -1.0])
    kernel = np.multiply.outer(second_difference, second_difference).reshape(3, 3, 1, 1)
    exact = np.linalg.norm(written_down(kernel, (3, 3), [(1, 1)] * 2), 2)
    assert exact == pytest.approx(11.657, abs=1e-3)
    assert torus_norm(kernel, (3, 3)).high == pytest.approx(9.0)  # which would be wrong
    assert torus_norm(kernel, (4, 4)).high >= exact


@pytest.mark.parametrize(("taps", "spatial"), [((3, 3), (7, 6)), ((2, 5), (5, 9)), ((4,), (11,))])
def test_convolutions_are_written_down_as_keras_computes_them(taps, spatial):
    kernel = np.random.default_rng(0).normal(size=(*taps, 2, 3))
    expected = keras_operator(kernel, spatial)
    operator = convolution_operator(kernel, spatial)
    np.testing.assert_allclose(operator.matrix, expected, atol=1e-6)
    exact = np.linalg.norm(operator.matrix, 2)
    assert operator.norm.low <= exact * (1 + 1e-14)
    assert exact <= operator.norm.high * (1 + 1e-14)
    torus = TorusOperator(kernel, spatial)
    assert torus.at_least <= exact <= torus.norm.high
    assert torus.at_least > 0.98 * exact
    x = np.random.default_rng(1).normal(size=(math.prod(spatial), 2))
    np.testing.assert_allclose(torus.apply(x).reshape(-1), operator.matrix @ x.reshape(-1))


@pytest.mark.parametrize(
    "operator",
    [
        inverse.Tomography(9, 5),
        inverse.Tomography(6, [0.0, 20.0, 90.0, 135.0, 200.0], bins=7),
        inverse.Blur((7, 6, 2), np.random.default_rng(0).normal(size=(3, 2))),
        inverse.Blur((9, 1), [0.2, 0.5, 0.3], padding="circular"),
        inverse.Blur((9, 1), [0.2, 0.5, 0.3, 0.1], padding="valid"),
        inverse.Matrix(np.random.default_rng(0).normal(size=(5, 8))),
        inverse.Mask.random((4, 4, 1)),
    ],
)
def test_forward_operators_have_the_singular_values_of_lipzoos(operator):
    values = {"class_name": type(operator).__name__, "config": operator.get_config()}
    read = read_operator(values)
    exact = np.linalg.svd(operator.matrix(), compute_uv=False)
    assert read.norm.low <= exact[0] * (1 + 1e-12)
    assert exact[0] <= read.norm.high * (1 + 1e-12)
    assert read.norm.rounding < 1e-11
    assert read.smallest <= exact[-1] + 1e-12
    for alpha in (1e-3, 0.3, 10.0):
        tikhonov = read.tikhonov(alpha)
        norm = np.linalg.norm(operator.regularised_inverse(alpha).matrix(), 2)
        assert tikhonov.low * (1 - 1e-12) <= norm <= tikhonov.high * (1 + 1e-12)
    step = read.step_size(None)
    assert step.low <= 1 / operator.norm_bound**2 <= step.high
    assert step.rounding < 1e-9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"class_name": "Radar"}, "an operator that the checker knows"),
        ("Tomography", "an operator that the checker knows"),
        ({"class_name": "Tomography", "config": {"sizes": 3}}, "takes other arguments"),
        ({"class_name": "Tomography", "config": {"size": 3000}}, "to be written down"),
        ({"class_name": "Mask", "config": {"mask": [[0.5]]}}, "zeros and ones"),
        ({"class_name": "Matrix", "config": {"matrix": [1, 2]}}, "takes other arguments"),
        ({"class_name": "Tomography", "config": {"size": 0}}, "takes other arguments"),
        ({"class_name": ["Matrix"]}, "an operator that the checker knows"),
        (
            {"class_name": "Matrix", "config": {"matrix": [[1, 2]], "input_shape": [3, 1]}},
            "input_shape of 2 entries",
        ),
        (
            {
                "class_name": "Blur",
                "config": {"image_shape": [4, 1], "kernel": [0.5, 0.5], "padding": "reflect"},
            },
            "padding to be one of same, circular, valid",
        ),
    ],
)
def test_unknown_operators_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        read_operator(values)


@given(
    st.floats(0.05, 20.0),
    st.floats(0.05, 1.99),
    st.floats(0.2, 3.0),
    st.floats(0.0, 1.0),
)
def test_a_data_step_is_bounded_as_lipzoo_does_and_above_every_pair(state, share, norm, smallest):
    tau, smallest = share / norm**2, smallest * norm
    found = after_data_step(*map(Interval.exactly, (state, tau, norm)), smallest)
    expected = data_step_bound(state, 1.0, tau, norm, smallest)
    assert found.high == pytest.approx(expected, rel=1e-2)
    # Brute force over two singular directions: shares of both perturbations in each of them.
    angles = np.linspace(0, np.pi / 2, 40)
    x, y = np.meshgrid(angles, angles)
    moved = 0.0
    for u, along_x, along_y in (
        (smallest**2, np.cos(x), np.cos(y)),
        (norm**2, np.sin(x), np.sin(y)),
    ):
        moved = moved + (abs(1 - tau * u) * state * along_x + tau * np.sqrt(u) * along_y) ** 2
    assert np.sqrt(moved.max()) <= found.high * (1 + 1e-12)


@pytest.mark.parametrize("lifted", [False, True])
@pytest.mark.parametrize("matrix", [[[2.0, 0.0], [0.0, 2.0]], [[2.0, 0.0]]])
def test_the_lower_bound_of_a_data_step_is_below_its_norm(matrix, lifted):
    operator = read_operator({"class_name": "Matrix", "config": {"matrix": matrix}})
    tau, a = 0.25, np.array(matrix)
    step = np.hstack([np.eye(2) - tau * a.T @ a, tau * a.T])
    exact = max(float(lifted), np.linalg.norm(step, 2))
    found = _joint_norm(operator, Interval.exactly(tau), lifted)
    assert found.at_least <= exact <= found.bound.high
    assert found.at_least == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize("name", activations.known())
def test_slopes_are_those_of_the_functions(name):
    slopes, function = slopes_of(name), activations.get(name)
    z = np.linspace(-8, 8, 4001)
    values = np.asarray(function(z), "float64")
    secants = np.diff(values) / np.diff(z)
    assert slopes.lowest - 1e-6 <= secants.min()
    assert secants.max() <= slopes.highest + 1e-6
    assert slopes.lipschitz <= function.lipschitz
    middle = (z[1:] + z[:-1]) / 2
    kinks = np.abs(secants - slopes.at(middle)) > 1e-3
    assert kinks.sum() <= 2
    steepest = np.array([slopes.steepest])
    assert slopes.at(steepest)[0] == pytest.approx(slopes.highest, abs=1e-5)
