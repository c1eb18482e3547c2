"""Reconstructions without a matrix: Chebyshev's polynomials, and networks made of them."""

import pickle

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats
from keras import ops

import lipzoo
from lipzoo import inverse
from lipzoo.inverse.operators import sparse_matrix, tomography
from lipzoo.inverse.operators.parallel_beam import ParallelBeam
from tests.helpers import tensorflow_only
from tests.inverse_problems import Difference, limit_matrices


@pytest.fixture
def small_limits(monkeypatch):
    """Everything above 1,000 entries counts as too large for a matrix."""
    limit_matrices(monkeypatch, 1000)
    monkeypatch.setattr(tomography, "_DENSE", 100)
    tomography._products.cache_clear()
    yield
    tomography._products.cache_clear()


@pytest.mark.parametrize("alpha", [0.02, 3.0])
def test_a_polynomial_is_within_its_bounds_of_the_closed_form(alpha):
    operator = inverse.Matrix(np.random.default_rng(3).normal(size=(9, 12)) / 4, (12, 1), (9,))
    matrix = operator.matrix()
    exact = np.linalg.solve(matrix.T @ matrix + alpha * np.eye(12), matrix.T)
    tikhonov = np.linalg.norm(exact, 2)
    for accuracy in (0.3, 1e-5):
        polynomial = inverse.ChebyshevInverse(operator, alpha, accuracy)
        found = polynomial.matrix()
        assert np.linalg.norm(found, 2) <= polynomial.norm_bound * (1 + 1e-6)
        assert np.linalg.norm(found - exact, 2) <= polynomial.distance_bound + 1e-5 * tikhonov
        assert polynomial.distance_bound <= accuracy * polynomial.norm_bound
    inverse.check_adjoint(polynomial, tolerance=1e-4)
    # What is known of A is its largest singular value only: any below may be one.
    largest = operator.norm_bound
    known = 0.5 / np.sqrt(alpha) if alpha < largest**2 else largest / (largest**2 + alpha)
    assert known <= polynomial.norm_bound <= known * (1 + 2e-5)


@pytest.mark.usefixtures("float64")
def test_rounding_of_a_polynomial_stays_below_its_bound():
    operator = inverse.Tomography(10, 12)
    polynomial = inverse.ChebyshevInverse(operator, 1e-3)
    y = np.random.default_rng(4).normal(size=(20, *operator.output_shape)).astype("float32")
    found = ops.convert_to_numpy(polynomial.apply(ops.convert_to_tensor(y, "float32")))
    exact = ops.convert_to_numpy(polynomial.apply(ops.convert_to_tensor(y, "float64")))
    error = np.linalg.norm((found - exact).reshape(20, -1), axis=1)
    slope, _ = polynomial.rounding("float32")
    assert (error <= slope * np.linalg.norm(y.reshape(20, -1), axis=1)).all()
    assert slope < 0.01 * polynomial.norm_bound
    assert polynomial.rounding("float64")[0] < 1e-9 * polynomial.norm_bound


def test_a_polynomial_refuses_what_it_cannot_do():
    operator = inverse.Tomography(6, 4)
    with pytest.raises(ValueError, match=r"alpha for which 5000 steps.*Received: alpha="):
        inverse.ChebyshevInverse(operator, 1e-10)
    with pytest.raises(ValueError, match=r"accuracy must be below 1. Received"):
        inverse.ChebyshevInverse(operator, 0.1, accuracy=2.0)


@pytest.mark.usefixtures("small_limits")
def test_a_network_without_any_matrix_has_its_certificate():
    scanner = inverse.Tomography(12, 20)
    model = lipzoo.InvNet(scanner, alpha=5e-3, steps=2, flows=1, width=2, filters=3, bounds=None)
    assert isinstance(model.get_layer("tikhonov").inverse, inverse.ChebyshevInverse)
    x = np.random.default_rng(5).random((3, 12, 12, 1)).astype("float32")
    y = ops.convert_to_numpy(scanner.apply(x))
    certificate = lipzoo.certify_reconstruction(model, y, 0.1, verbose=0)
    exact = lipzoo.certify_reconstruction(model, y, 0.1, rounding=False, verbose=0)
    assert (certificate.radius < 1.1 * exact.radius).all()
    # Along what moves Tikhonov's reconstruction most.
    left, values, _ = np.linalg.svd(scanner._computed.matrix(), full_matrices=False)
    direction = 0.1 * left[:, np.argmin(np.abs(values - 5e-3**0.5))]
    direction = direction.reshape(1, *scanner.output_shape)
    moved = model.predict((y + direction).astype("float32"), verbose=0) - exact.reconstruction
    moved = np.linalg.norm(moved.reshape(3, -1), axis=1)
    assert (moved <= certificate.radius).all()
    assert (moved > 0.2 * exact.radius).all()
    norm = lipzoo.inverse.tikhonov_norm_bound(scanner, 5e-3)
    assert lipzoo.lipschitz_bound(model).value >= norm
    alpha = inverse.alpha_for_bound(scanner, 3.0)
    assert inverse.tikhonov_norm_bound(scanner, alpha) <= 3.0
    assert inverse.tikhonov_norm_bound(scanner, 0.99 * alpha) > 3.0


@pytest.mark.usefixtures("small_limits")
def test_reconstructions_and_parameters_without_a_matrix_are_those_with_one(monkeypatch):
    generator = np.random.default_rng(6)
    x = generator.random((3, 8, 8, 1))
    found = []
    for limit in (1000, 2**25):
        limit_matrices(monkeypatch, limit)
        scanner = inverse.Tomography(8, 16)
        if not found:
            y = ops.convert_to_numpy(scanner.apply(x)) + 0.02 * generator.standard_normal(
                (3, *scanner.output_shape)
            )
        noise = inverse.noise_norm(0.02, scanner.outputs)
        found.append(
            (
                inverse.tikhonov(scanner, y, 0.1),
                inverse.choose_alpha(scanner, y, None, [0.3, 0.1], noise_norm=2 * noise).value,
                inverse.choose_alpha(scanner, y, x, alphas=[0.1]).mean_squared_error,
            )
        )
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-4)
    np.testing.assert_allclose(found[0][1:], found[1][1:], rtol=0.02)


@tensorflow_only
@pytest.mark.usefixtures("small_limits")
def test_the_arrays_of_an_operator_stand_in_a_graph_once():
    import tensorflow as tf

    scanner = inverse.Tomography(24, 40)
    model = lipzoo.InvNet(scanner, alpha=0.1, steps=3, flows=1, width=2, filters=2)
    signature = tf.TensorSpec((2, *scanner.output_shape))
    traced = tf.function(lambda y: model(y)).get_concrete_function(signature)
    assert len({id(t) for t in traced.captured_inputs if t.dtype == tf.float32}) <= 2
    size = len(traced.graph.as_graph_def().SerializeToString())
    # One copy of the operator's arrays is four times that.
    assert size < 2**18


@pytest.mark.usefixtures("small_limits")
def test_operators_that_were_used_pickle(monkeypatch):
    monkeypatch.setattr(sparse_matrix, "_DENSE", 100)
    entries = scipy.sparse.random_array((30, 20), density=0.2, rng=np.random.default_rng(3))
    scanner = inverse.Tomography(12, 9)
    for operator in (
        scanner,
        scanner._computed,
        inverse.from_scipy(entries),
        inverse.ChebyshevInverse(scanner, 0.1),
        inverse.Matrix(entries.toarray()),
        inverse.Blur((9, 1), [0.2, 0.5, 0.3]),
        inverse.Mask.random((4, 4, 1), 0.5),
        inverse.Fourier(np.eye(4)),
        Difference(),
    ):
        beam = isinstance(operator, ParallelBeam)
        shape = operator.shape if beam else operator.input_shape
        x = np.random.default_rng(4).random((2, *shape)).astype("float32")
        bound, y = operator.norm_bound, operator.apply(ops.convert_to_tensor(x))
        operator.adjoint(y)
        again = pickle.loads(pickle.dumps(operator))
        assert again.norm_bound == bound
        y = ops.convert_to_numpy(y)
        np.testing.assert_array_equal(ops.convert_to_numpy(again.apply(x)), y)
