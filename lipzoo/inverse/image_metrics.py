"""How close reconstructions are to the truth: one number per example."""

import numpy as np

from lipzoo.inverse.tikhonov_reconstruction import check_batch
from lipzoo.validation import finite_number
from lipzoo_catalogue.installing import how_to_install

# Sides of the window of Wang et al.: a Gaussian of 1.5 pixels, cut off at 3.5 of these.
_SSIM_WINDOW = 11


def psnr(x, reference, data_range: float = 1.0) -> np.ndarray:
    """Peak signal-to-noise ratio in decibels.

        PSNR = 10 log₁₀(R² / mean (x - reference)²)

    Args:
        x: reconstructions, of shape `(examples, ...)`.
        reference: the true images, of the same shape.
        data_range: R, the width of the range of an image's values.

    Returns:
        Array of shape `(examples,)`, in float64; infinite where x is the reference.

    Raises:
        ValueError: if the shapes differ, a value is not finite, or the range is not positive.

    Example:

    >>> psnr(np.full((1, 4), 0.6), np.full((1, 4), 0.5)).round(6)
    array([20.])
    """
    x, reference = _checked(x, reference)
    data_range = finite_number(data_range, "data_range", positive=True)
    errors = np.mean((x - reference).reshape(len(x), -1) ** 2, axis=1)
    with np.errstate(divide="ignore"):
        return 20.0 * np.log10(data_range) - 10.0 * np.log10(errors)


def relative_error(x, reference) -> np.ndarray:
    """Euclidean distance from the truth, as a share of it.

        ‖x - reference‖₂ / ‖reference‖₂

    Args:
        x: reconstructions, of shape `(examples, ...)`.
        reference: the true images, of the same shape.

    Returns:
        Array of shape `(examples,)`, in float64; for a reference of zeros 0 if x is zero too, and
        infinite if not.

    Raises:
        ValueError: if the shapes differ or a value is not finite.

    Example:

    >>> relative_error([[3.0, 3.0]], [[3.0, 4.0]])
    array([0.2])
    """
    x, reference = _checked(x, reference)
    distance = np.linalg.norm((x - reference).reshape(len(x), -1), axis=1)
    size = np.linalg.norm(reference.reshape(len(x), -1), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance > 0, distance / size, 0.0)


def ssim(x, reference, data_range: float = 1.0) -> np.ndarray:
    """Structural similarity, 1 for equal images.

        SSIM = mean of (2 μ_x μ_r + c₁)(2 σ_xr + c₂) / ((μ_x² + μ_r² + c₁)(σ_x² + σ_r² + c₂))

    with `c₁ = (0.01 R)²`, `c₂ = (0.03 R)²` and means, variances and covariance under a Gaussian
    window of standard deviation 1.5 pixels, 11 pixels wide; averaged over the places where the
    window lies within the image, and over channels. On signals the window is one-dimensional.
    Computed by scikit-image.

    Args:
        x: reconstructions, of shape `(examples, length, channels)` or `(examples, height, width,
            channels)`, 11 pixels a side or more.
        reference: the true images, of the same shape.
        data_range: R, the width of the range of an image's values.

    Returns:
        Array of shape `(examples,)`, in float64.

    Raises:
        ImportError: if scikit-image is not installed.
        ValueError: if the shapes differ or are too small, a value is not finite, or the range is
            not positive.

    Reference: Wang, Bovik, Sheikh and Simoncelli, doi:10.1109/TIP.2003.819861.

    Example:

    >>> image = np.random.default_rng(0).random((1, 16, 16, 1))
    >>> ssim(image, image)
    array([1.])
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise ImportError(f"ssim needs scikit-image: {how_to_install('train')}") from error
    x, reference = _checked(x, reference)
    data_range = finite_number(data_range, "data_range", positive=True)
    if x.ndim not in (3, 4) or min(x.shape[1:-1]) < _SSIM_WINDOW:
        raise ValueError(
            "Expected x of shape (examples, length, channels) or (examples, height, width, "
            f"channels), at least {_SSIM_WINDOW} pixels a side. Received: x.shape={x.shape}"
        )
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return np.array(
        [
            structural_similarity(image, truth, data_range=data_range, channel_axis=-1, **settings)
            for image, truth in zip(x, reference, strict=True)
        ]
    )


def _checked(x, reference):
    shape = np.shape(reference)
    if not shape:
        raise ValueError("Expected a batch of images as reference. Received: a single number")
    reference = check_batch(reference, shape[1:], "reference")
    x = check_batch(x, shape[1:], "x")
    if len(x) != len(reference):
        raise ValueError(f"Expected x of shape {shape}, as reference. Received: x.shape={x.shape}")
    return x, reference
