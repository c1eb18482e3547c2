import sys

import numpy as np
import pytest
import scipy.ndimage
from skimage.metrics import peak_signal_noise_ratio

from lipzoo.inverse.image_metrics import psnr, relative_error, ssim

generator = np.random.default_rng(0)
IMAGES = generator.random((4, 20, 17, 3))
NOISY = IMAGES + 0.1 * generator.standard_normal(IMAGES.shape)


def test_psnr_agrees_with_scikit_image():
    for data_range in (1.0, 255.0):
        expected = [
            peak_signal_noise_ratio(truth, image, data_range=data_range)
            for truth, image in zip(IMAGES, NOISY, strict=True)
        ]
        np.testing.assert_allclose(psnr(NOISY, IMAGES, data_range), expected, rtol=1e-12)


def test_psnr_of_noise_is_its_level():
    x = 0.01 * np.random.default_rng(0).standard_normal((2, 100_000))
    np.testing.assert_allclose(psnr(x, np.zeros_like(x)), 40.0, atol=0.05)
    np.testing.assert_array_equal(psnr(x, x), np.inf)


def test_relative_error_is_a_share_of_the_reference():
    np.testing.assert_allclose(relative_error(1.25 * IMAGES, IMAGES), 0.25)
    np.testing.assert_allclose(relative_error(np.zeros_like(IMAGES), IMAGES), 1.0)
    assert relative_error([[0.0], [1.0]], [[0.0], [0.0]]).tolist() == [0.0, np.inf]


def written_out_ssim(x, reference, data_range):
    """Wang et al. for one channel, where the window lies within the image."""
    offsets = np.arange(-5, 6)
    line = np.exp(-0.5 * (offsets / 1.5) ** 2)
    line /= line.sum()

    def mean(image):
        for axis in range(image.ndim):
            image = scipy.ndimage.correlate1d(image, line, axis=axis)
        return image[(slice(5, -5),) * image.ndim]

    mean_x, mean_r = mean(x), mean(reference)
    variance_x, variance_r = mean(x * x) - mean_x**2, mean(reference**2) - mean_r**2
    covariance = mean(x * reference) - mean_x * mean_r
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    top = (2 * mean_x * mean_r + c1) * (2 * covariance + c2)
    return np.mean(top / ((mean_x**2 + mean_r**2 + c1) * (variance_x + variance_r + c2)))


@pytest.mark.parametrize("data_range", [1.0, 2.0])
@pytest.mark.parametrize("signals", [False, True], ids=["images", "signals"])
def test_ssim_is_the_formula(signals, data_range):
    x, reference = (a[:, :, 0] if signals else a for a in (NOISY, IMAGES))
    expected = [
        np.mean([written_out_ssim(a[..., c], b[..., c], data_range) for c in range(3)])
        for a, b in zip(x, reference, strict=True)
    ]
    np.testing.assert_allclose(ssim(x, reference, data_range), expected, rtol=1e-10)


def test_ssim_falls_with_noise_and_is_one_for_equals():
    np.testing.assert_allclose(ssim(IMAGES, IMAGES), 1.0)
    worse = IMAGES + 3 * (NOISY - IMAGES)
    assert (ssim(worse, IMAGES) < ssim(NOISY, IMAGES)).all()


def test_single_precision_is_measured_in_double():
    x = NOISY.astype("float32")
    for measure in (psnr, relative_error, ssim):
        value = measure(x, IMAGES)
        assert value.shape == (4,)
        assert value.dtype == "float64"
        np.testing.assert_allclose(value, measure(x.astype("float64"), IMAGES), rtol=0)


def test_ssim_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(ImportError, match=r"pip install '.*\[train\]'"):
        ssim(IMAGES, IMAGES)


@pytest.mark.parametrize("measure", [psnr, relative_error, ssim])
@pytest.mark.parametrize(
    ("x", "reference", "message"),
    [
        (IMAGES[:, 1:], IMAGES, "Expected x of shape"),
        (IMAGES[0], IMAGES, "batch axis is missing"),
        (IMAGES[1:], IMAGES, "Expected x of shape"),
        (IMAGES * np.nan, IMAGES, "finite values in x"),
        (IMAGES, IMAGES * np.inf, "finite values in reference"),
        (IMAGES[:0], IMAGES[:0], "at least one example"),
        (1.0, 1.0, "batch of images"),
    ],
)
def test_bad_images_are_refused(measure, x, reference, message):
    with pytest.raises(ValueError, match=f"(?s){message}.*Received"):
        measure(x, reference)


@pytest.mark.parametrize("measure", [psnr, ssim])
@pytest.mark.parametrize("data_range", [0.0, -1.0, np.nan, "wide"])
def test_bad_ranges_are_refused(measure, data_range):
    with pytest.raises(ValueError, match="data_range"):
        measure(IMAGES, IMAGES, data_range)


@pytest.mark.parametrize("shape", [(2, 10, 17, 1), (2, 10, 1), (2, 30), (2, 12, 12, 12, 1)])
def test_ssim_refuses_images_without_room_for_its_window(shape):
    with pytest.raises(ValueError, match=r"11 pixels a side.*Received"):
        ssim(np.zeros(shape), np.zeros(shape))
