"""Directed rounding is directed, and the rounding bound holds for every order of summation."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from hypothesis import example, given
from hypothesis import strategies as st

from lipzoo.rounding import (
    add_up,
    affine_rounding,
    deflated,
    div_up,
    gamma,
    hypot_up,
    inflated,
    mul_up,
    sqrt_up,
    unit_roundoff,
)
from lipzoo.spectral import absolute_norm_bound, tap_norm_sum

numbers = st.floats(min_value=0, max_value=1e150, allow_subnormal=True)


def is_ceiling(result, holds):
    """Whether `result` is the smallest float for which `holds` is true."""
    return holds(result) and (result == 0 or not holds(math.nextafter(result, 0.0)))


@given(numbers, numbers)
def test_directed_operations_return_the_smallest_float_above_the_exact_result(a, b):
    exact_a, exact_b = Fraction(a), Fraction(b)
    assert is_ceiling(add_up(a, b), lambda r: Fraction(r) >= exact_a + exact_b)
    assert is_ceiling(mul_up(a, b), lambda r: Fraction(r) >= exact_a * exact_b)
    assert is_ceiling(sqrt_up(a), lambda r: Fraction(r) ** 2 >= exact_a)
    assert is_ceiling(hypot_up(a, b), lambda r: Fraction(r) ** 2 >= exact_a**2 + exact_b**2)


@given(numbers, st.floats(min_value=1e-150, max_value=1e150))
@example(1.0, 3.0)
def test_directed_division(a, b):
    exact = Fraction(a) / Fraction(b)
    assert is_ceiling(div_up(a, b), lambda r: Fraction(r) >= exact)


def test_exact_results_stay_exact_and_infinity_is_handled():
    assert mul_up(1.0, 1.0) == 1.0
    assert add_up() == 0.0
    assert add_up(0.5, 0.25) == 0.75
    assert sqrt_up(9.0) == 3.0
    assert hypot_up(1.0, 0.0) == 1.0
    assert mul_up(0.0, math.inf) == 0.0
    assert mul_up(2.0, math.inf) == math.inf
    assert mul_up(1e308, 10.0) == math.inf
    assert hypot_up(math.inf, 1.0) == math.inf
    assert div_up(1.0, 0.0) == math.inf


@pytest.mark.parametrize("operation", [add_up, mul_up, hypot_up])
@pytest.mark.parametrize("bad", [-1.0, math.nan])
def test_negative_numbers_and_nan_are_refused(operation, bad):
    with pytest.raises(ValueError, match="Received: values="):
        operation(1.0, bad)


def test_unit_roundoff_is_half_the_spacing_at_one():
    for dtype in ("float16", "float32", "float64"):
        assert unit_roundoff(dtype) == np.finfo(dtype).eps / 2
    with pytest.raises(ValueError, match="Received: dtype='int8'"):
        unit_roundoff("int8")


def test_gamma_is_infinite_for_sums_that_are_too_long():
    assert gamma(2048, "float16") == math.inf
    assert gamma(1000, "float32") >= 1000 * 2.0**-24
    with pytest.raises(ValueError, match="Received: n=-1"):
        gamma(-1, "float32")


def sequential(terms):
    """Sum over the first axis, one term after the other."""
    return np.cumsum(terms, axis=0, dtype=terms.dtype)[-1]


def random_tree(terms, generator):
    """Sum over the first axis along a random binary tree, the same for all entries."""
    terms = list(terms)
    while len(terms) > 1:
        left = terms.pop(generator.integers(len(terms)))
        right = terms.pop(generator.integers(len(terms)))
        terms.append(left + right)
    return terms[0]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("kind", ["random", "positive", "orthogonal", "graded"])
def test_affine_rounding_bounds_every_order_of_summation(dtype, kind):
    generator = np.random.default_rng(0)
    n, m = 64, 16
    kernel = generator.normal(size=(n, m))
    if kind == "positive":
        kernel = np.abs(kernel)
    if kind == "orthogonal":
        kernel = np.linalg.qr(kernel)[0]
    if kind == "graded":
        kernel = kernel * np.logspace(0, -3, n)[:, None]
    kernel = (kernel / np.linalg.norm(kernel, 2)).astype(dtype)
    bias = generator.normal(size=m).astype(dtype)
    x = np.abs(generator.normal(size=n)).astype(dtype)
    exact_kernel, exact_x, exact_bias = (a.astype("float64") for a in (kernel, x, bias))
    exact = exact_x @ exact_kernel + exact_bias
    slope, offset = affine_rounding(
        n,
        np.linalg.norm(exact_kernel, 2),
        bias_norm=float(np.linalg.norm(exact_bias)),
        dtype=dtype,
    )
    allowed = slope * np.linalg.norm(exact_x) + offset
    products = x[:, None] * kernel
    results = [sequential(products) + bias, sequential(np.concatenate([[bias], products]))]
    results += [random_tree(products, generator) + bias for _ in range(5)]
    for result in results:
        assert result.dtype == dtype
        error = np.linalg.norm(result.astype("float64") - exact)
        assert 0 < error <= allowed
    assert allowed < math.inf


def test_affine_rounding_covers_a_kernel_and_an_input_that_are_rounded_to_half_precision():
    generator = np.random.default_rng(1)
    n, m = 32, 8
    kernel, x = generator.normal(size=(n, m)), generator.normal(size=n)
    slope, _ = affine_rounding(n, np.linalg.norm(kernel, 2), dtype="float16")
    result = sequential(x.astype("float16")[:, None] * kernel.astype("float16"))
    error = np.linalg.norm(result.astype("float64") - x @ kernel)
    assert error <= slope * np.linalg.norm(x)


def test_affine_rounding_of_an_overlapping_convolution():
    generator = np.random.default_rng(2)
    kernel = generator.normal(size=(5, 3, 4)).astype("float32")
    x = generator.normal(size=(40, 3)).astype("float32")
    products = [
        x[tap : tap + 36, [channel]] * kernel[tap, channel]
        for tap in range(5)
        for channel in range(3)
    ]
    exact = sum(
        x[tap : tap + 36].astype("float64") @ kernel[tap].astype("float64") for tap in range(5)
    )
    nu = tap_norm_sum(kernel)
    slope, _ = affine_rounding(15, nu, nu, dtype="float32")
    for _ in range(5):
        error = np.linalg.norm(random_tree(products, generator).astype("float64") - exact)
        assert error <= slope * np.linalg.norm(x)


def test_the_bound_is_much_smaller_than_the_one_from_absolute_values():
    kernel = np.linalg.qr(np.random.default_rng(0).normal(size=(784, 256)))[0]
    slope, _ = affine_rounding(784, 1.0, dtype="float32")
    classical = gamma(785, "float32") * np.linalg.norm(np.abs(kernel), 2)
    assert 8 * slope < classical


def worst_error(kernel, x, orders, unit):
    """Largest error, to first order, of sequential sums in the given order of each output."""
    products = x[:, None] * kernel
    errors = unit * np.abs(products).sum(axis=0)
    for output, order in enumerate(orders):
        errors[output] += unit * np.abs(np.cumsum(products[order, output]))[1:].sum()
    return float(np.linalg.norm(errors))


def test_outputs_with_orders_of_their_own_err_more_than_one_common_order_allows():
    n = 64
    kernel = scipy.linalg.hadamard(n) / 8
    x = np.full(n, 1 / 8)
    unit = unit_roundoff("float32")
    own = [np.argsort(-kernel[:, output], kind="stable") for output in range(n)]
    wrong, _ = affine_rounding(n, 1.0, orders=1)
    assert worst_error(kernel, x, [np.arange(n)] * n, unit) <= wrong
    error = worst_error(kernel, x, own, unit)
    assert error > 1.5 * wrong
    assert error <= affine_rounding(n, 1.0, orders=n)[0]
    assert error <= affine_rounding(n, 1.0, orders=math.inf, absolute_norm=8.0)[0]


@pytest.mark.parametrize("orders", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_affine_rounding_bounds_a_few_orders_among_the_outputs(orders, seed):
    generator = np.random.default_rng(seed)
    n, m = 48, 24
    kernel = np.linalg.qr(generator.normal(size=(n, m)))[0]
    group = generator.integers(orders, size=m)
    # Each group sums first what is positive in one of its outputs.
    x = np.abs(generator.normal(size=n))
    chains = [np.argsort(-kernel[:, np.argmax(group == g)]) for g in range(orders)]
    error = worst_error(kernel, x, [chains[g] for g in group], unit_roundoff("float32"))
    slope, _ = affine_rounding(n, 1.0, orders=orders)
    assert error <= slope * np.linalg.norm(x)


def test_no_more_orders_than_outputs_and_none_where_no_entry_is_negative():
    assert affine_rounding(30, 1.0, outputs=1) == affine_rounding(30, 1.0, orders=1)
    assert affine_rounding(30, 1.0, outputs=2) == affine_rounding(30, 1.0, orders=2)
    without = affine_rounding(30, 1.0, absolute_norm=1.0)
    assert without == affine_rounding(30, 1.0, absolute_norm=1.0, orders=math.inf)
    assert without[0] <= affine_rounding(30, 1.0, orders=1)[0]
    assert affine_rounding(30, 1.0, orders=math.inf)[0] == math.inf


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (3, 4, 2), (3, 2, 2, 3), (2, 2, 1, 6)])
def test_absolute_norm_bound_is_the_norm_of_the_matrix_of_absolute_values(shape):
    kernel = np.random.default_rng(0).normal(size=shape)
    exact = np.linalg.norm(np.abs(kernel).reshape(-1, *shape[-2:]).sum(axis=0), 2)
    assert exact <= absolute_norm_bound(kernel) <= 1.01 * exact
    assert absolute_norm_bound(-4.0 * kernel) == 4.0 * absolute_norm_bound(kernel)
    assert absolute_norm_bound(0.0 * kernel) == 0.0


def test_absolute_norm_bound_of_groups_and_of_columns_of_zeros():
    kernel = np.arange(1.0, 7.0).reshape(1, 1, 6)
    assert 6.0 <= absolute_norm_bound(kernel, groups=6) < 6.0 + 1e-13
    kernel = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert absolute_norm_bound(kernel) == pytest.approx(math.sqrt(2.0), abs=1e-14)
    # A matrix that falls apart: iterations leave the smaller part behind.
    assert absolute_norm_bound(np.diag([1.0, 1e-20])) == pytest.approx(1.0, abs=1e-14)


@given(st.lists(st.floats(min_value=1e-100, max_value=1e100), min_size=1, max_size=40))
def test_inflated_and_deflated_bound_exact_results(values):
    exact = sum(map(Fraction, values), Fraction(0))
    computed = float(np.cumsum(values)[-1])
    operations = len(values) - 1
    assert Fraction(deflated(computed, operations)) <= exact
    assert exact <= Fraction(inflated(computed, operations))
    # A quotient, a product and a root more.
    computed = math.sqrt(computed / values[0] * values[-1])
    exact = exact / Fraction(values[0]) * Fraction(values[-1])
    assert Fraction(deflated(computed, operations + 3)) ** 2 <= exact
    assert exact <= Fraction(inflated(computed, operations + 3)) ** 2


def test_inflated_is_no_wider_than_its_operations():
    array = inflated(np.array([0.0, 1.0, math.inf]), operations=3)
    assert array.dtype == "float64"
    assert array.tolist() == [0.0, inflated(1.0, operations=3), math.inf]
    assert 1 + 3 * 2.0**-53 < inflated(1.0, operations=3) <= 1 + 6 * 2.0**-53
    assert 1 - 6 * 2.0**-53 <= deflated(1.0, operations=3) < 1 - 3 * 2.0**-53
    with pytest.raises(ValueError, match="Received: n=-1"):
        inflated(1.0, operations=-2)
    with pytest.raises(ValueError, match="Received: operations=-1"):
        deflated(1.0, operations=-1)


def test_affine_rounding_checks_its_arguments():
    assert affine_rounding(5000, 1.0, dtype="float16") == (math.inf, 0.0)
    with pytest.raises(ValueError, match="Received: fan_in=0"):
        affine_rounding(0, 1.0)
