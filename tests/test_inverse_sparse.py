"""Sparse operators: their products, and norms by Collatz and Wielandt."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats
from keras import ops

from lipzoo.operators import SparseOperator
from lipzoo.spectral.nonnegative import nonnegative_norm_bound


def test_collatz_and_wielandt_hold_for_any_start_and_leave_columns_of_zeros_out():
    generator = np.random.default_rng(1)
    matrix = generator.random((9, 7)) * (generator.random((9, 7)) < 0.4)
    matrix[:, 3] = 0.0
    exact = np.linalg.norm(matrix, 2)
    for iterations in (1, 100):
        start = generator.random(7) * (generator.random(7) < 0.8)
        bound = nonnegative_norm_bound(
            matrix.__matmul__, matrix.T.__matmul__, start, 16, iterations=iterations
        )
        assert exact <= bound
    assert bound <= exact * (1 + 1e-6)
    assert nonnegative_norm_bound(lambda v: 0 * v, lambda v: 0 * v, np.ones(3), 3) == 0.0


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_norms_of_entries_whose_squares_are_no_numbers(size):
    operator = SparseOperator([0, 1, 1], [0, 1, 2], [size, 3 * size, 1e-250 * size], (2, 4))
    assert 3 * size <= operator.norm_bound <= 3 * size * (1 + 1e-6)
    # Its row and its column stand alone.
    assert SparseOperator([0], [0], [1e-200], (2, 2)).norm_bound >= 1e-200
    assert SparseOperator([0], [0], [0.0], (2, 2)).norm_bound == 0.0


@pytest.mark.parametrize("signed", [False, True])
def test_sparse_products_and_their_norm(signed):
    generator = np.random.default_rng(2)
    matrix = scipy.sparse.random_array((300, 200), density=0.1, rng=generator).toarray()
    matrix -= matrix * 2 * (generator.random(matrix.shape) < 0.5) * signed
    rows, columns = np.nonzero(matrix)
    shuffled = generator.permutation(len(rows))
    rows, columns = rows[shuffled], columns[shuffled]
    operator = SparseOperator(rows, columns, matrix[rows, columns], matrix.shape)
    np.testing.assert_array_equal(operator.matrix(), matrix)
    absolute = np.linalg.norm(np.abs(matrix), 2)
    assert absolute <= operator.norm_bound <= absolute * (1 + 1e-6)
    x, y = (generator.standard_normal((5, n)).astype("float32") for n in (200, 300))
    for name, given, dense, slope in zip(
        ("apply", "adjoint"), (x, y), (matrix.T, matrix), operator.rounding("float32"), strict=True
    ):
        found = ops.convert_to_numpy(getattr(operator, name)(ops.convert_to_tensor(given)))
        error = np.linalg.norm(found - given.astype("float64") @ dense, axis=1)
        assert (error <= slope * np.linalg.norm(given, axis=1)).all()
        assert slope < 2e-6 * absolute


def test_a_row_and_a_column_that_are_full_take_no_room_of_the_others():
    n = 2000
    generator = np.random.default_rng(2)
    rows = np.concatenate([np.zeros(n, int), np.arange(n), np.arange(1, n - 1)])
    columns = np.concatenate([np.arange(n), np.zeros(n, int), np.arange(2, n)])
    values = generator.standard_normal(len(rows))
    operator = SparseOperator(rows, columns, values, (n, n + 3))
    for sums in (operator._forward, operator._backward):
        assert sums._places.max() < sums.pieces <= n + 2 * n**0.5
        assert sums.additions <= 2 * n**0.5 + 1
    matrix = scipy.sparse.csr_array((values, (rows, columns)), (n, n + 3))
    x, y = (generator.standard_normal((2, k)).astype("float32") for k in (n + 3, n))
    slopes = operator.rounding("float32")
    for name, given, dense, slope in zip(
        ("apply", "adjoint"), (x, y), (matrix.T, matrix), slopes, strict=True
    ):
        found = ops.convert_to_numpy(getattr(operator, name)(ops.convert_to_tensor(given)))
        error = np.linalg.norm(found - given.astype("float64") @ dense, axis=1)
        assert (error <= slope * np.linalg.norm(given, axis=1)).all()
