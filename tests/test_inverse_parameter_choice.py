"""The norm of noise, and the discrepancy principle."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats

from lipzoo import inverse
from tests.inverse_problems import limit_matrices


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
    limit_matrices(monkeypatch, 2)
    with pytest.raises(ValueError, match=r"alpha=1e-05; the iteration for an operator of this"):
        inverse.choose_alpha(operator, y, noise_norm=0.1)
