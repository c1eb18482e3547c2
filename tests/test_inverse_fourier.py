"""The Fourier transform of an image, known in part and by several coils."""

import numpy as np
import pytest
from keras import ops

from lipzoo import inverse


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
