"""Folders of grey photographs, and the noise that the studies of denoisers add to them."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

# The last images of the training folder are for choices.
VALIDATION = 20


def read_images(folder: Path) -> list[np.ndarray]:
    """The images of a folder in the order of their names, `(height, width, 1)` in [0, 1].

    Raises:
        FileNotFoundError: if there are none.
    """
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise FileNotFoundError(f"{folder}: expected images *.png")
    images = [np.asarray(Image.open(path).convert("L"), "float32") / 255 for path in paths]
    return [image[..., None] for image in images]


def noisy(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """The image with normal noise of standard deviation `sigma` / 255, not clipped."""
    normal = np.random.default_rng(seed).standard_normal(image.shape, dtype="float32")
    return image + np.float32(sigma / 255) * normal


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of one image in [0, 1]; nothing is rounded."""
    return -10 * math.log10(np.mean(np.square(image.astype("float64") - truth)))
