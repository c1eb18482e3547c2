"""Operators without a dense matrix, and what is proven of them and of their reconstructions."""

import pickle
import warnings
from fractions import Fraction

import keras
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats
from keras import ops
from skimage.transform import iradon, radon

import lipzoo
from lipzoo import inverse
from lipzoo.inverse import parameter_choice, tikhonov_reconstruction
from lipzoo.inverse.operators import base, claims, sparse_matrix, tomography
from lipzoo.inverse.operators.parallel_beam import ParallelBeam
from lipzoo.operators import SparseOperator
from lipzoo.spectral import dense_norm_bound
from lipzoo.spectral.nonnegative import nonnegative_norm_bound
from tests.helpers import tensorflow_only

# Shape, angles, bins, whether about a pixel, and how many mirror images are to be used.
BEAMS = {
    "even angles": ((9, 9), np.arange(20) * 9.0, 13, False, 4),
    "whole turn about a pixel": ((8, 8), np.arange(36) * 10.0, 13, True, 8),
    "upright": ((18, 5), np.arange(36) * 10.0, 20, False, 4),
    "few angles": ((7, 7), np.array([0.0, 200.0, 17.0, 17.0]), 11, True, 1),
    "narrow detector": ((20, 20), np.arange(20) * 9.0, 5, False, 4),
}
WITH_LIMITS = (base, claims, parameter_choice, tikhonov_reconstruction)
each_beam = pytest.mark.parametrize("beam", BEAMS.values(), ids=BEAMS)


def made(beam):
    shape, degrees, bins, pixel, mirrors = beam
    made = ParallelBeam(shape, degrees.tolist(), bins, pixel, 1 / max(shape))
    assert len(made._mirrors) == mirrors
    return made


def projections(beam):
    """The matrix by shares of a pixel's area, each by counting the points of a fine grid."""
    shape, degrees, bins, pixel, _ = beam
    fine = 10
    centre = [n // 2 if pixel else (n - 1) / 2 for n in shape]
    offsets = (np.arange(fine) + 0.5) / fine - 0.5
    rows = np.arange(shape[0])[:, None, None, None] + offsets[:, None]
    columns = np.arange(shape[1])[:, None, None] + offsets
    matrix = np.zeros((len(degrees), bins, *shape))
    for k, angle in enumerate(np.deg2rad(degrees)):
        s = (columns - centre[1]) * np.cos(angle) + (centre[0] - rows) * np.sin(angle)
        place = np.floor(s + (bins // 2 + 0.5 if pixel else bins / 2)).astype(int)
        for b in range(bins):
            matrix[k, b] = (place == b).mean(axis=(2, 3)) / max(shape)
    return matrix.reshape(len(degrees) * bins, -1)


@each_beam
def test_a_parallel_beam_is_the_shares_of_areas(beam):
    shape = beam[0]
    operator, expected = made(beam), projections(beam)
    assert np.abs(operator.matrix() - expected).max() <= 0.2 / max(shape)
    generator = np.random.default_rng(0)
    matrix = operator.matrix()
    x, y = (generator.standard_normal((3, n)).astype("float32") for n in matrix.shape[::-1])
    np.testing.assert_allclose(operator.exact(x[0]), matrix @ x[0], atol=1e-14)
    np.testing.assert_allclose(operator.exact_adjoint(y[0]), y[0] @ matrix, atol=1e-14)
    forward = ops.convert_to_numpy(operator.apply(ops.convert_to_tensor(x.reshape(3, *shape))))
    back = operator.adjoint(ops.convert_to_tensor(y.reshape(forward.shape)))
    back = ops.convert_to_numpy(back)
    slopes = operator.rounding("float32")
    for computed, exact, slope, given in (
        (forward, x.astype("float64") @ matrix.T, slopes[0], x),
        (back, y.astype("float64") @ matrix, slopes[1], y),
    ):
        error = np.linalg.norm(computed.reshape(3, -1) - exact, axis=1)
        assert (error <= slope * np.linalg.norm(given, axis=1)).all()
    assert max(slopes) < 1e-5


@each_beam
def test_the_norm_by_collatz_and_wielandt_is_just_above_the_norm(beam):
    operator = made(beam)
    exact = np.linalg.norm(operator.matrix(), 2)
    assert exact <= operator.norm_bound <= exact * (1 + 1e-4)


def test_the_norm_of_a_larger_scanner_agrees_with_svds():
    scanner = inverse.Tomography((72, 71), 24, bins=80)
    assert not isinstance(scanner._computed, inverse.Matrix)
    sparse = scipy.sparse.csr_array(scanner.matrix())
    exact = scipy.sparse.linalg.svds(sparse, 1, return_singular_vectors=False)[0]
    assert exact * (1 - 1e-12) <= scanner.norm_bound <= exact * (1 + 1e-4)
    again = inverse.Tomography((72, 71), 24, bins=80)
    assert again._computed is scanner._computed


def test_a_square_scanner_without_a_dense_matrix_keeps_its_bounds(monkeypatch):
    """Step sizes and fixed points of models that were saved with a dense one rest on them."""
    monkeypatch.setattr(tomography, "_DENSE", 100)
    tomography._products.cache_clear()
    scanner = inverse.Tomography(9, 60)
    assert isinstance(scanner._computed, ParallelBeam)
    values = np.linalg.svd(scanner.matrix(), compute_uv=False)
    assert values[0] * (1 - 1e-14) <= scanner.norm_bound <= values[0] * (1 + 1e-10)
    least = scanner.smallest_singular_value_bound
    assert values[-1] * (1 - 1e-4) <= least <= values[-1] * (1 + 1e-10)
    rows = [tomography._projection(9, angle, 13) for angle in np.deg2rad(scanner.degrees)]
    dense = inverse.Matrix(np.concatenate(rows), (9, 9, 1), (60, 13))
    taken = [inverse.DataStep(operator).step_size for operator in (scanner, dense)]
    assert taken[0] == pytest.approx(taken[1], rel=1e-12)
    monkeypatch.setattr(tomography, "MAX_ENTRIES", 100)
    assert scanner.smallest_singular_value_bound == 0.0
    tomography._products.cache_clear()


@pytest.mark.usefixtures("float64")
def test_tiles_are_the_dense_product_in_float64(monkeypatch):
    dense = inverse.Tomography(20, 36)
    matrix = dense.matrix()
    monkeypatch.setattr(tomography, "_DENSE", 100)
    tomography._products.cache_clear()
    scanner = inverse.Tomography(20, 36)
    assert isinstance(scanner._computed, ParallelBeam)
    x = np.random.default_rng(0).normal(size=(2, 20, 20, 1))
    y = ops.convert_to_numpy(scanner.apply(x))
    np.testing.assert_allclose(y.reshape(2, -1), x.reshape(2, -1) @ matrix.T, atol=1e-13)
    back = ops.convert_to_numpy(scanner.adjoint(y))
    np.testing.assert_allclose(back.reshape(2, -1), y.reshape(2, -1) @ matrix, atol=1e-13)
    tomography._products.cache_clear()


def smooth(size):
    grid = np.arange(size) - size // 2
    x, y = np.meshgrid(grid / size, -grid / size)
    image = np.exp(-(((x - 0.1) / 0.1) ** 2) - ((y - 0.05) / 0.08) ** 2)
    return np.where(x**2 + y**2 < 0.2, image, 0.0)


@pytest.mark.parametrize("size", [32, 33])
def test_about_a_pixel_a_sinogram_is_that_of_scikit_image(size):
    image, degrees = smooth(size), np.arange(0.0, 180.0, 6.0)
    theirs = radon(image, theta=degrees, circle=True).T / size
    ours = {
        center: inverse.Tomography(size, degrees, bins=size, center=center).matrix()
        @ image.reshape(-1)
        for center in ("pixel", "image")
    }
    error = {
        c: np.linalg.norm(y - theirs.ravel()) / np.linalg.norm(theirs) for c, y in ours.items()
    }
    assert error["pixel"] < 0.01
    assert size % 2 or error["image"] > 10 * error["pixel"]


def test_back_projection_is_as_good_as_that_of_scikit_image():
    image, degrees = smooth(32), np.arange(0.0, 180.0, 4.0)
    results = []
    for normalized in (False, True):
        scanner = inverse.Tomography(32, degrees, bins=45, center="pixel", normalized=normalized)
        y = ops.convert_to_numpy(scanner.apply(image.reshape(1, 32, 32, 1).astype("float32")))
        results.append(inverse.filtered_back_projection(scanner, y)[0, ..., 0])
    np.testing.assert_allclose(*results, atol=1e-5)
    theirs = iradon(radon(image, degrees, circle=False), degrees, circle=False, output_size=32)
    errors = [np.sqrt(np.mean((found - image) ** 2)) for found in (results[0], theirs)]
    assert errors[0] < 1.1 * errors[1] < 0.02


def test_back_projection_notices_missing_angles():
    def reconstructed(angles):
        scanner = inverse.Tomography(6, angles)
        return inverse.filtered_back_projection(scanner, np.ones((1, *scanner.output_shape)))

    with pytest.warns(
        UserWarning, match=r"spread over 180 degrees.*Received: .* gap of 66 degrees"
    ):
        reconstructed(np.arange(20) * 6.0)
    golden = np.arange(17) * 180.0 / (0.5 + 5**0.5 / 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for angles in (5, [0.0], [90.0, 0.0, 45.0, 135.0], np.arange(24) * 15.0, golden):
            reconstructed(angles)


def test_a_scanner_that_memory_does_not_hold_is_refused():
    inverse.Tomography(1024, 240)
    with pytest.raises(ValueError, match=r"at most 67,108,864 pairs.*Received: .* 75 GB"):
        inverse.Tomography(1024, 0.3 + 0.7 * np.arange(240))
    with pytest.raises(ValueError, match=r"pairs of a pixel and an angle.*Received: .* GB"):
        inverse.Tomography(2**13, 64)


def test_angles_that_look_like_radians_are_noticed():
    with pytest.warns(UserWarning, match=r"in degrees.*Received: 8 angles from 0 to"):
        inverse.Tomography(6, np.linspace(0.0, np.pi, 8, endpoint=False))
    inverse.Tomography(6, [0.0, 1.0, 2.0])


@pytest.mark.parametrize("size", [(6, 9), 24])
def test_a_normalised_scanner_has_norm_one(size, monkeypatch):
    monkeypatch.setattr(tomography, "_DENSE", 2**16)
    tomography._products.cache_clear()
    scanner = inverse.Tomography(size, 16, normalized=True)
    assert scanner.norm_bound == 1.0
    exact = np.linalg.norm(scanner.matrix(), 2)
    assert 1 - 1e-3 < exact <= 1 + 1e-14
    again = inverse.operators.get(inverse.operators.serialize(scanner))
    assert again == scanner
    with pytest.raises(ValueError, match=r"center must be one of.*Received: center='middle'"):
        inverse.Tomography(4, center="middle")
    with pytest.raises(ValueError, match=r"normalized must be.*Received"):
        inverse.Tomography(4, normalized=1)
    with pytest.raises(ValueError, match=r"size must be a positive integer or 2.*Received"):
        inverse.Tomography((4, 4, 1))
    tomography._products.cache_clear()


@pytest.mark.parametrize(("size", "angles"), [(9, 5), (14, 7), ((6, 9), 9)])
def test_the_scale_counts_every_rounding_of_the_entries_that_it_normalises(size, angles):
    scanner = inverse.Tomography(size, angles, normalized=True)
    (height, width), degrees, bins, _ = scanner._geometry
    plain = ParallelBeam((height, width), degrees, bins, False, 1 / max(height, width))
    normalised = ParallelBeam(
        (height, width), degrees, bins, False, 1 / max(height, width), scanner.scale
    )
    np.testing.assert_array_equal(normalised.matrix(), scanner.matrix())
    # Of exact quotients, none is larger than a bound of the norm of the entries in the numerators.
    quotients = [
        Fraction(small) * Fraction(scanner.scale) / Fraction(large)
        for small, large in zip(normalised._value, plain._value, strict=True)
    ]
    assert max(quotients) * Fraction(dense_norm_bound(plain.matrix())) <= Fraction(scanner.scale)


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


@pytest.fixture
def small_limits(monkeypatch):
    """Everything above 1,000 entries counts as too large for a matrix."""
    for module in WITH_LIMITS:
        monkeypatch.setattr(module, "MAX_ENTRIES", 1000)
    monkeypatch.setattr(tomography, "_DENSE", 100)
    tomography._products.cache_clear()
    yield
    tomography._products.cache_clear()


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
        for module in WITH_LIMITS:
            monkeypatch.setattr(module, "MAX_ENTRIES", limit)
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


class Difference(inverse.LinearOperator):
    """Has what its products need, and no more."""

    def __init__(self, length=8):
        super().__init__((length, 1), (length - 1, 1))

    def apply(self, x):
        return x[:, 1:] - x[:, :-1]

    def adjoint(self, y):
        zero = ops.zeros_like(y[:, :1])
        return ops.concatenate([zero, y], axis=1) - ops.concatenate([y, zero], axis=1)


def test_an_operator_of_two_products_works_from_end_to_end(tmp_path):
    operator = Difference()
    exact = np.linalg.norm(np.diff(np.eye(8), axis=0), 2)
    assert exact * (1 - 1e-14) <= operator.norm_bound <= exact * (1 + 1e-9)
    model = lipzoo.InvNet(operator, alpha=0.1, steps=2, flows=1, width=2, filters=2, bounds=None)
    y = np.random.default_rng(7).normal(size=(2, 7, 1)).astype("float32")
    certificate = lipzoo.certify_reconstruction(model, y, 0.1, verbose=0)
    found = lipzoo.worst_movement(model, y, 0.1, steps=10)
    assert (found.movement <= certificate.radius).all()
    with pytest.raises(NotImplementedError, match=r"get_config.*Received: Difference"):
        model.save(tmp_path / "model.keras")


def test_above_the_limit_an_operator_has_to_say_what_is_proven(monkeypatch):
    monkeypatch.setattr(base, "MAX_ENTRIES", 50)
    with pytest.raises(ValueError, match=r"(?s)norm_bound.*rounding.*from_scipy.*Received"):
        inverse.DataStep(Difference())

    class Stated(Difference):
        norm_bound = 2.0

    step = inverse.DataStep(Stated())
    assert step.lipschitz_bound([(None, 8, 1), (None, 7, 1)]).rounding_slope is None


@pytest.mark.parametrize("kind", ["data", "plug and play"])
def test_a_stated_rounding_counts_where_the_class_is_multiplied_with(kind):
    class Rounded(Difference):
        def rounding(self, dtype):
            return 0.0, 0.0

    class Certain(Rounded):
        norm_bound = 2.0

    def slope(operator):
        if kind == "data":
            layer = inverse.DataStep(operator, step_size=0.2)
        else:
            denoiser = keras.Sequential([keras.Input((8, 1)), keras.layers.Rescaling(1.0)])
            layer = inverse.PlugAndPlay(operator, denoiser, contraction=0.5, step_size=0.2)
        return layer.lipschitz_bound([(None, 8, 1), (None, 7, 1)]).rounding_slope

    rounded = Rounded()
    dense = inverse.Matrix(rounded.matrix(), (8, 1), (7, 1))
    assert slope(rounded) == slope(dense) > slope(Certain())


def test_a_map_that_is_not_linear_is_not_written_out():
    class Shifted(Difference):
        def apply(self, x):
            return super().apply(x) + 1.0

    with pytest.raises(ValueError, match=r"expected apply to be linear.*Received"):
        Shifted().matrix()


@pytest.mark.parametrize("coils", [0, 3])
def test_fourier_is_the_unitary_transform(coils):
    generator = np.random.default_rng(8)
    mask = generator.random((6, 5)) < 0.6
    maps = generator.normal(size=(coils, 6, 5)) + 1j * generator.normal(size=(coils, 6, 5))
    operator = inverse.Fourier(mask, maps if coils else None)
    x = generator.normal(size=(2, 6, 5)) + 1j * generator.normal(size=(2, 6, 5))
    y = ops.convert_to_numpy(operator.apply(x.astype("complex64")))
    expected = np.fft.fft2(x[:, None] * maps if coils else x, norm="ortho") * mask
    np.testing.assert_allclose(y[..., 0] + 1j * y[..., 1], expected, atol=1e-5)
    inverse.check_adjoint(operator)
    matrix = operator.matrix()
    exact = np.linalg.norm(matrix, 2)
    assert exact <= operator.norm_bound * (1 + 1e-6)
    full = inverse.Fourier(np.ones((6, 5)), maps if coils else None)
    assert np.linalg.norm(full.matrix(), 2) >= full.norm_bound * (1 - 1e-6)
    tikhonov = operator.regularised_inverse(0.1)
    closed = np.linalg.solve(matrix.T @ matrix + 0.1 * np.eye(60), matrix.T)
    np.testing.assert_allclose(tikhonov.matrix(), closed, atol=1e-5)
    assert operator.rounding("float32") is None
    assert inverse.operators.get(inverse.operators.serialize(operator)) == operator


def test_fourier_refuses_what_is_none():
    for mask in (np.full((2, 2), 0.5), np.zeros((2, 2)), np.ones(4)):
        with pytest.raises(ValueError, match=r"mask must be.*Received"):
            inverse.Fourier(mask)
    with pytest.raises(ValueError, match=r"coils must be.*Received: shape \(2, 3, 2\)"):
        inverse.Fourier(np.ones((2, 2)), np.ones((2, 3, 2)))


def test_operators_of_scipy_have_their_norms_and_products():
    matrix = scipy.sparse.random_array((1500, 1200), density=0.01, rng=np.random.default_rng(9))
    operator = inverse.from_scipy(matrix, (30, 40, 1), (1500,))
    exact = scipy.sparse.linalg.svds(matrix, 1, return_singular_vectors=False)[0]
    assert exact * (1 - 1e-12) <= operator.norm_bound <= exact * (1 + 1e-5)
    inverse.check_adjoint(operator)
    x = np.random.default_rng(10).normal(size=(2, 30, 40, 1)).astype("float32")
    found = ops.convert_to_numpy(operator.apply(x))
    np.testing.assert_allclose(found, x.reshape(2, -1) @ matrix.T, atol=1e-5)
    again = inverse.operators.get(inverse.operators.serialize(operator))
    assert again == operator
    np.testing.assert_array_equal(again.matrix(), matrix.toarray())
    small = matrix.tocsr()[:20, :30]
    box = inverse.from_scipy(scipy.sparse.linalg.aslinearoperator(small), (30, 1))
    np.testing.assert_array_equal(box.matrix(), small.toarray())
    for wrong in (np.eye(2), "matrix"):
        with pytest.raises(TypeError, match=r"Expected a sparse matrix.*Received"):
            inverse.from_scipy(wrong)
    with pytest.raises(ValueError, match="real ones"):
        inverse.from_scipy(scipy.sparse.csr_array(1j * np.eye(2)))
    huge = scipy.sparse.linalg.LinearOperator((2**13, 2**13), matvec=lambda v: v, dtype="float64")
    with pytest.raises(ValueError, match=r"(?s)as a sparse matrix.*norm_bound.*rounding.*Received"):
        inverse.from_scipy(huge)


def test_operators_of_pylops():
    pylops = pytest.importorskip("pylops")
    theirs = pylops.Gradient((6, 7), edge=True, kind="forward")
    operator = inverse.from_pylops(pylops.FirstDerivative((6, 7), axis=1))
    assert (operator.input_shape, operator.output_shape) == ((6, 7, 1), (6, 7))
    x = np.random.default_rng(11).normal(size=(2, 6, 7, 1))
    found = ops.convert_to_numpy(operator.apply(x.astype("float32")))
    for image, result in zip(x[..., 0], found, strict=True):
        expected = pylops.FirstDerivative((6, 7), axis=1) @ image
        np.testing.assert_allclose(result, expected, atol=1e-5)
    stacked = inverse.from_pylops(theirs)
    assert stacked.output_shape == (2, 6, 7)
    with pytest.raises(ValueError, match=r"complex ones as two channels"):
        inverse.from_pylops(pylops.signalprocessing.FFT(8))


def test_projectors_of_astra_and_that_its_strips_are_ours():
    astra = pytest.importorskip("astra")
    shape, degrees = (12, 10), np.arange(9) * 20.0
    volume = astra.create_vol_geom(*shape)
    x = np.random.default_rng(13).random(shape).astype("float32")
    parallel = astra.create_proj_geom("parallel", 1.0, 17, np.deg2rad(degrees))
    fan = astra.create_proj_geom("fanflat", 1.5, 20, np.deg2rad(2 * degrees), 40.0, 40.0)
    for kind, geometry in (("strip", parallel), ("linear", parallel), ("strip_fanflat", fan)):
        projector = astra.create_projector(kind, geometry, volume)
        operator = inverse.from_astra(projector)
        identifier, theirs = astra.create_sino(x, projector)
        astra.data2d.delete(identifier)
        ours = ops.convert_to_numpy(operator.apply(x[None, ..., None]))[0]
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        exact = np.linalg.norm(operator.matrix(), 2)
        assert exact * (1 - 1e-14) <= operator.norm_bound <= exact * (1 + 1e-9)
        if kind == "strip":
            scanner = inverse.Tomography(shape, degrees, bins=17)
            ours = ops.convert_to_numpy(scanner.apply(x[None, ..., None]))[0] * max(shape)
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
        astra.projector.delete(projector)


def test_operators_of_odl():
    odl = pytest.importorskip("odl")
    matrix = np.random.default_rng(14).normal(size=(4, 6))
    operator = inverse.from_odl(odl.MatrixOperator(matrix))
    assert (operator.input_shape, operator.output_shape) == ((6, 1), (4,))
    np.testing.assert_array_equal(operator.matrix(), matrix)
    with pytest.raises(TypeError, match="Expected a linear operator"):
        inverse.from_odl(odl.ConstantOperator(odl.rn(2).one()))


@pytest.mark.parametrize("m", [1, 7, 784, 10920])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_norm_of_noise_is_the_quantile_of_chi(m, confidence):
    expected = 0.3 * scipy.stats.chi2.ppf(confidence, m) ** 0.5
    assert inverse.noise_norm(0.3, m, confidence) == pytest.approx(expected, rel=1e-9)


def test_the_discrepancy_principle_fits_up_to_the_noise():
    operator = inverse.Tomography(8, 12)
    generator = np.random.default_rng(12)
    x = generator.random((4, 64))
    y = x @ operator.matrix().T + 0.02 * generator.standard_normal((4, operator.outputs))
    y = y.reshape(4, *operator.output_shape)
    noise = inverse.noise_norm(0.02, operator.outputs)
    chosen = inverse.choose_alpha(operator, y, noise_norm=noise)
    for alpha, fits in ((chosen.value, True), (1.02 * chosen.value, False)):
        fitted = inverse.tikhonov(operator, y, alpha).reshape(4, -1) @ operator.matrix().T
        residual = np.sqrt(np.mean(np.sum((fitted - y.reshape(4, -1)) ** 2, axis=1)))
        assert (residual <= noise) == fits
    with pytest.raises(ValueError, match=r"fits the measurements.*Received: a residual of"):
        inverse.choose_alpha(operator, y, noise_norm=1e-6)
    with pytest.raises(ValueError, match=r"a smaller alpha may fit"):
        inverse.choose_alpha(operator, y, alphas=[1.0], noise_norm=noise)
    norm = np.sqrt(np.mean(np.sum(y.reshape(4, -1) ** 2, axis=1)))
    assert inverse.choose_alpha(operator, y, noise_norm=0.99 * norm).value < np.inf
    for alphas in (None, [0.1, 1.0]):
        with pytest.raises(ValueError, match=r"within the noise.*Received: noise_norm="):
            inverse.choose_alpha(operator, y, alphas=alphas, noise_norm=1.01 * norm)
    with pytest.raises(ValueError, match="Received: both"):
        inverse.choose_alpha(operator, y, x.reshape(4, 8, 8, 1), noise_norm=0.1)
    with pytest.raises(ValueError, match="Received: neither"):
        inverse.choose_alpha(operator, y)


def test_the_discrepancy_principle_goes_down_to_small_noise(monkeypatch):
    operator = inverse.Matrix(np.diag([1.0, 1e-6]))
    # The residual is α / (s² + α), a tenth for α = s² / 9.
    y = np.array([[1.0, 1.0]])
    chosen = inverse.choose_alpha(operator, y, noise_norm=0.1)
    assert chosen.value == pytest.approx(1e-12 / 9, rel=0.02)
    for module in WITH_LIMITS:
        monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    with pytest.raises(ValueError, match=r"alpha=1e-05; the iteration for an operator of this"):
        inverse.choose_alpha(operator, y, noise_norm=0.1)
