"""Filtered back-projection: the classical reconstruction of tomography, as a yardstick."""

import warnings

import keras
import numpy as np

from lipzoo.inverse.operators import Tomography
from lipzoo.inverse.tikhonov_reconstruction import check_batch

# Degrees below which two angles are one; and a gap in terms of the mean one that is noticed, which
# angles in the golden ratio do not reach.
_SAME, _UNEVEN = 1e-6, 2.0 * (1 + 1e-9)


def filtered_back_projection(scanner: Tomography, y) -> np.ndarray:
    """Reconstructs images by filtered back-projection with the ramp filter.

        x ≈ Σ_θ Δθ (h * y_θ)(s),      h(0) = 1/(4w²), h(kw) = -1/(πkw)² for odd k, else 0

    in float64 where the backend has it; w is the width of a bin and Δθ half of the distance of the
    two angles beside θ. It inverts line integrals from all angles, and knows neither noise nor
    missing angles: nothing is proven of it.

    Args:
        scanner: a `lipzoo.inverse.Tomography` whose angles are spread over 180 degrees, in any
            order.
        y: measurements, of shape `(examples, angles, bins)`.

    Returns:
        Array of shape `(examples, height, width, 1)`.

    Warns:
        UserWarning: if a gap between angles is more than twice as wide as it would be were they
            spread evenly over 180 degrees: the two projections beside it stand for all of it.

    Raises:
        TypeError: if the scanner is no `Tomography`.
        ValueError: if y has another shape or is not finite.

    Reference: Kak and Slaney, *Principles of Computerized Tomographic Imaging*,
    doi:10.1137/1.9780898719277, section 3.3.

    Example: the middle of a square of ones.

    >>> scanner = Tomography(size=16, angles=32)
    >>> y = scanner.apply(np.ones((1, 16, 16, 1), "float32"))
    >>> image = filtered_back_projection(scanner, y)
    >>> bool(abs(image[0, 6:10, 6:10].mean() - 1.0) < 0.05)
    True
    """
    if not isinstance(scanner, Tomography):
        raise TypeError(f"Expected a lipzoo.inverse.Tomography. Received: scanner={scanner!r}")
    y = check_batch(y, scanner.output_shape, "y")
    width, bins = 1.0 / max(scanner.input_shape[:2]), scanner.output_shape[1]
    offsets = np.arange(-bins + 1, bins)
    ramp = np.zeros(len(offsets))
    odd = offsets % 2 == 1
    ramp[odd] = -1.0 / (np.pi * offsets[odd] * width) ** 2
    ramp[bins - 1] = 0.25 / width**2
    # Long enough that the circular convolution is none within the detector.
    length = 2 ** int(np.ceil(np.log2(3 * bins)))
    spectra = np.fft.rfft(y, length) * np.fft.rfft(ramp, length)
    filtered = np.fft.irfft(spectra, length)[..., bins - 1 : 2 * bins - 1] * width
    weighted = filtered * _angular_weights(scanner.degrees)[:, None]
    images = scanner.adjoint(keras.ops.convert_to_tensor(weighted))
    # The adjoint adds up shares of a pixel's area over the bin's width, of sum w; a normalised
    # scanner divides y and the adjoint by its norm.
    return np.asarray(keras.ops.convert_to_numpy(images), "float64") * (scanner.scale**2 / width)


def _angular_weights(degrees):
    """Half of the distance of the two neighbours of each angle, on a circle of 180 degrees."""
    around = np.asarray(degrees) % 180.0
    order = np.argsort(around, kind="stable")
    following = np.diff(around[order], append=around[order[0]] + 180.0)
    # Angles that are seen twice, from both sides say, leave no gap.
    even = 180.0 / max(1, np.count_nonzero(following > _SAME))
    if following.max() > _UNEVEN * even:
        warnings.warn(
            "Filtered back-projection expects angles that are spread over 180 degrees; total "
            "variation, Tikhonov's reconstruction and networks take others too. "
            f"Received: {len(order)} angles with a gap of {following.max():.4g} degrees",
            UserWarning,
            stacklevel=3,
        )
    weights = np.empty(len(order))
    weights[order] = 0.5 * (following + np.roll(following, 1))
    return np.deg2rad(weights)
