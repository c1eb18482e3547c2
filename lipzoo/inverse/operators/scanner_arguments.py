"""Arguments of a scanner, checked."""

import math
import warnings

import numpy as np

from lipzoo.inverse.operators.base import MAX_ENTRIES
from lipzoo.inverse.operators.mirror_images import stored_angles
from lipzoo.validation import real_array

# Pairs of a pixel and an angle that are stored, of two or three entries each. While the norm is
# computed and as tiles of float32 they take 300 bytes a pair: 20 GB for so many.
_MOST_PAIRS, _BYTES = 2**26, 300
# As many angles that all lie between -2π and 2π may be meant in radians.
_SUSPICIOUS = 5


def check_memory(shape, degrees, pixel):
    """Refuses scanners whose entries memory would hardly hold."""
    pixels = math.prod(shape)
    if pixels * len(degrees) <= _MOST_PAIRS:
        return
    pairs = pixels * stored_angles(shape, degrees, pixel)
    if pairs > _MOST_PAIRS:
        raise ValueError(
            f"Expected a scanner that stores at most {_MOST_PAIRS:,} pairs of a pixel and an angle "
            f"(angles that are mirror images of others not counted), about {_BYTES} bytes each. "
            f"Received: {pixels:,} pixels x {pairs // pixels:,} angles, about "
            f"{pairs * _BYTES / 1e9:,.0f} GB"
        )


def as_degrees(angles):
    """Angles in degrees, from their number or a list of them."""
    if isinstance(angles, int) and not isinstance(angles, bool) and 0 < angles <= MAX_ENTRIES:
        return np.arange(angles) * (180.0 / angles)
    degrees = np.array([math.nan])
    if isinstance(angles, list | tuple | np.ndarray) and len(angles) > 0:
        degrees = np.array(real_array(angles, "angles"), dtype="float64")
    if degrees.ndim != 1 or not np.isfinite(degrees).all():
        raise ValueError(
            "angles must be a positive number of angles or a list of angles in degrees. "
            f"Received: angles={angles!r}"
        )
    if len(degrees) >= _SUSPICIOUS and np.abs(degrees).max() <= 2 * math.pi:
        warnings.warn(
            "angles are in degrees, and all of these lie within 2π, as angles in radians do: "
            "np.rad2deg(angles) makes degrees of those. "
            f"Received: {len(degrees)} angles from {degrees.min():.4g} to {degrees.max():.4g}",
            UserWarning,
            stacklevel=3,
        )
    return degrees


def enough_bins(shape, center):
    """Bins of the width of a pixel that the whole image falls into, whatever the angle."""
    if center == "image":
        return math.ceil(shape[0] * math.sqrt(2) if shape[0] == shape[1] else math.hypot(*shape))
    farthest = math.hypot(*(n // 2 + 0.5 for n in shape))
    return 2 * math.ceil(farthest - 0.5) + 1
