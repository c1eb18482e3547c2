from fractions import Fraction

import keras
import ml_dtypes
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lipzoo.spectral import dense_norm_bound, tap_norm_sum


def exceeds_norm_exactly(bound, matrix):
    """Whether `bound^2 I - A^T A` is positive semi-definite, in rational arithmetic."""
    rows = [[Fraction(float(value)) for value in row] for row in matrix]
    side = len(rows[0])
    square = Fraction(bound) ** 2
    form = [
        [square * (i == j) - sum(row[i] * row[j] for row in rows) for j in range(side)]
        for i in range(side)
    ]
    for k in range(side):
        if form[k][k] < 0 or (form[k][k] == 0 and any(form[k][k + 1 :])):
            return False
        for i in range(k + 1, side):
            for j in range(k + 1, side):
                if form[k][k]:
                    form[i][j] -= form[i][k] * form[k][j] / form[k][k]
    return True


matrices = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    elements=st.one_of(st.floats(-4, 4), st.sampled_from([0.0, 1.0, -1.0, 1e-8, 1e8])),
)


@settings(max_examples=100, deadline=None)
@given(matrices)
def test_bound_is_one_in_rational_arithmetic(matrix):
    bound = dense_norm_bound(matrix)
    assert exceeds_norm_exactly(bound, matrix)
    assert bound <= np.linalg.norm(matrix, 2) * (1 + 1e-13) + 5e-324


@pytest.mark.parametrize("order", [1, 4, 16, 64, 256])
def test_hadamard_matrices_have_norm_root_of_order(order):
    bound = dense_norm_bound(scipy.linalg.hadamard(order))
    assert np.sqrt(order) <= bound <= np.sqrt(order) * (1 + 1e-10)


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (1, 50), (50, 1), (400, 400)])
def test_random_matrices_agree_with_svd(shape):
    matrix = np.random.default_rng(0).normal(size=shape)
    exact = np.linalg.norm(matrix, 2)
    assert exact * (1 - 1e-14) <= dense_norm_bound(matrix) <= exact * (1 + 1e-11)


def test_orthogonal_and_rank_deficient_matrices():
    generator = np.random.default_rng(0)
    orthogonal = np.linalg.qr(generator.normal(size=(400, 400)))[0]
    assert 1 - 1e-14 <= dense_norm_bound(orthogonal) <= 1 + 1e-10
    left, right = generator.normal(size=(120, 3)), generator.normal(size=(3, 90))
    exact = np.linalg.norm(left @ right, 2)
    assert exact * (1 - 1e-14) <= dense_norm_bound(left @ right) <= exact * (1 + 1e-11)


@pytest.mark.parametrize("exponent", [-1074, -1060, -700, -100, 0, 100, 700, 1020])
def test_scaling_by_powers_of_two_is_exact(exponent):
    scale = 2.0**exponent
    bound = dense_norm_bound([[3 * scale], [4 * scale]])
    assert 5 * scale <= bound <= 5 * scale * (1 + 1e-13) + 5e-324


def test_mixed_scales_and_overflow():
    assert dense_norm_bound(np.diag([1e-300, 1e300])) >= 1e300
    assert dense_norm_bound(np.diag([1e-300, 0.0])) <= 1e-300 * (1 + 1e-13)
    assert dense_norm_bound(np.full((4, 4), 1.7e308)) == np.inf


@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (3, 0), (0, 0)])
def test_zero_and_empty_matrices_have_norm_zero(shape):
    assert dense_norm_bound(np.zeros(shape)) == 0.0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int32", "bool"])
def test_other_types_are_converted_exactly(dtype):
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    matrix = np.random.default_rng(0).normal(size=(6, 5)).astype(dtype)
    exact = matrix.astype("float64")
    assert dense_norm_bound(matrix) == dense_norm_bound(exact)
    assert exceeds_norm_exactly(dense_norm_bound(matrix), exact)


def test_keras_tensors_and_variables():
    matrix = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    expected = dense_norm_bound(matrix)
    assert dense_norm_bound(keras.ops.convert_to_tensor(matrix)) == expected
    assert dense_norm_bound(keras.Variable(matrix)) == expected
    half = keras.ops.cast(matrix, "bfloat16")
    assert dense_norm_bound(half) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ([[np.nan]], "finite"),
        ([[1.0, np.inf]], "finite"),
        ([1.0, 2.0], "rank 2"),
        (np.zeros((2, 2, 2)), "rank 2"),
        ([[1j]], "real type"),
        ([["a"]], "real type"),
        ([[1.0], [1.0, 2.0]], "array"),
        (None, "real type"),
    ],
)
def test_bad_kernels_are_refused(kernel, message):
    with pytest.raises(ValueError, match=f"(?s){message}.*Received"):
        dense_norm_bound(kernel)


@pytest.mark.parametrize("shape", [(7, 5), (4, 3, 2), (3, 3, 4, 5)])
def test_tap_norm_sum_adds_the_norms_of_the_taps(shape):
    kernel = np.random.default_rng(0).normal(size=shape)
    taps = kernel.reshape(-1, *shape[-2:])
    expected = sum(np.linalg.norm(tap, 2) for tap in taps)
    assert expected * (1 - 1e-14) <= tap_norm_sum(kernel) <= expected * (1 + 1e-12)


def test_tap_norm_sum_of_nothing_is_zero():
    assert tap_norm_sum(np.zeros((3, 3, 2, 2))) == 0.0
    assert tap_norm_sum(np.zeros((3, 0, 2))) == 0.0
    with pytest.raises(ValueError, match="rank 2 or 3 or 4"):
        tap_norm_sum(np.zeros(3))
