"""A few test images that travel with the package, so that a first example needs no download."""

from pathlib import Path

import numpy as np

from lipzoo.data.npz import read_arrays

FOLDER = Path(__file__).parent
NAMES = ("fmnist",)


def samples(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A few test examples of a data set, as the models of the zoo take them.

    `"fmnist"` are the first 64 test images of Fashion-MNIST (Xiao, Rasul and Vollgraf 2017) in the
    order of TensorFlow Datasets. They are enough to try a model with, and too few to measure one:
    a share of 64 has a standard error of up to 1/16.

    Args:
        name: `"fmnist"`.

    Returns:
        `(images, labels)`: pixels in [0, 1], float32, shape `(64, 28, 28, 1)`, and classes from 0
        to 9, int64, shape `(64,)`; `lipzoo.info("gradflow-fmnist").config.class_names` names them.

    Raises:
        ValueError: if there are no samples of this name.

    Licence: MIT, Zalando SE; its text lies beside the images, `fmnist-LICENSE.txt`.

    Reference: arXiv:1708.07747.

    Example:

    >>> images, labels = samples("fmnist")
    >>> images.shape, str(images.dtype), float(images.min()), float(images.max())
    ((64, 28, 28, 1), 'float32', 0.0, 1.0)
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}. Received: name={name!r}")
    arrays = read_arrays(FOLDER / f"{name}.npz")
    return arrays["images"].astype("float32") / np.float32(255), arrays["labels"].astype("int64")
