"""Scanners that are no dense matrix: shares of areas, norms, back projections."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats
from keras import ops
from skimage.transform import iradon, radon

from lipzoo import inverse
from lipzoo.inverse.operators import tomography
from lipzoo.inverse.operators.parallel_beam import ParallelBeam
from lipzoo.spectral import dense_norm_bound

# Shape, angles, bins, whether about a pixel, and how many mirror images are to be used.
BEAMS = {
    "even angles": ((9, 9), np.arange(20) * 9.0, 13, False, 4),
    "whole turn about a pixel": ((8, 8), np.arange(36) * 10.0, 13, True, 8),
    "upright": ((18, 5), np.arange(36) * 10.0, 20, False, 4),
    "few angles": ((7, 7), np.array([0.0, 200.0, 17.0, 17.0]), 11, True, 1),
    "narrow detector": ((20, 20), np.arange(20) * 9.0, 5, False, 4),
}

each_beam = pytest.mark.parametrize("beam", BEAMS.values(), ids=BEAMS)


def beam_operator(beam):
    shape, degrees, bins, pixel, mirrors = beam
    operator = ParallelBeam(shape, degrees.tolist(), bins, pixel, 1 / max(shape))
    assert len(operator._mirrors) == mirrors
    return operator


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
    operator, expected = beam_operator(beam), projections(beam)
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
    operator = beam_operator(beam)
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
