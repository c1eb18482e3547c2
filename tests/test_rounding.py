"""Directed rounding is directed, and the rounding bound holds for every order of summation."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lipzoo.rounding import (
    add_up,
    affine_rounding,
    div_up,
    gamma,
    hypot_up,
    mul_up,
    sqrt_up,
    unit_roundoff,
)
from lipzoo.spectral import tap_norm_sum

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
    assert 10 * slope < classical


def test_affine_rounding_checks_its_arguments():
    assert affine_rounding(5000, 1.0, dtype="float16") == (math.inf, 0.0)
    with pytest.raises(ValueError, match="Received: fan_in=0"):
        affine_rounding(0, 1.0)
