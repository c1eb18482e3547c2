"""Shifts of images in [0, 1] with a severity: rotation, blur, noise, contrast."""

import numpy as np
from scipy import ndimage

# Severities: degrees; standard deviation in pixels; standard deviation; factor on the contrast.
SEVERITIES = {
    "rotation": (5, 10, 20, 40),
    "blur": (0.5, 1.0, 2.0),
    "noise": (0.05, 0.1, 0.2),
    "contrast": (0.75, 0.5, 0.25),
}


def shifted(images: np.ndarray, kind: str, severity: float, seed: int = 0) -> np.ndarray:
    """Returns shifted images of shape `(n, height, width, channels)`, float32 in [0, 1].

    Rotation is by the angle to either side, drawn for each image; noise is normal and clipped;
    contrast scales the distance to the image's own mean.

    Args:
        images: images in [0, 1].
        kind: a key of `SEVERITIES`.
        severity: its size.
        seed: seed of the sides and of the noise.

    Raises:
        ValueError: if the kind is unknown.

    Example:

    >>> images = np.full((1, 4, 4, 1), 0.5, "float32")
    >>> bool(np.allclose(shifted(images, "contrast", 0.5), images))
    True
    """
    generator = np.random.default_rng(seed)
    if kind == "rotation":
        sides = generator.choice((-1, 1), len(images))
        turned = [
            ndimage.rotate(image, side * severity, axes=(0, 1), reshape=False, order=1)
            for image, side in zip(images, sides, strict=True)
        ]
        result = np.stack(turned)
    elif kind == "blur":
        result = ndimage.gaussian_filter(images, (0, severity, severity, 0), mode="nearest")
    elif kind == "noise":
        result = images + severity * generator.standard_normal(images.shape)
    elif kind == "contrast":
        means = images.mean(axis=(1, 2, 3), keepdims=True)
        result = means + severity * (images - means)
    else:
        raise ValueError(f"kind must be one of {', '.join(SEVERITIES)}. Received: kind={kind!r}")
    return np.clip(result, 0.0, 1.0).astype("float32")


def displacement(images: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The l2 distance between each image and its shifted one."""
    return np.linalg.norm((moved.astype("float64") - images).reshape(len(images), -1), axis=1)
