"""Classifiers and examples that are attacked in no time."""

import keras
import numpy as np
from sklearn.datasets import load_digits

import lipzoo
from lipzoo.layers import GradientFlowDense, SpectralDense


def linear(kernel, bias=None):
    kernel = np.asarray(kernel, "float32")
    layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None)
    model = keras.Sequential([keras.Input(kernel.shape[:1]), layer])
    model.set_weights([kernel] if bias is None else [kernel, np.asarray(bias)])
    return model


def small_case():
    """A shallow network with a bound, images, labels that are mostly its own, and radii."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            SpectralDense(24),
            GradientFlowDense(24),
            SpectralDense(4),
        ]
    )
    x = (load_digits().images[:40, ..., None] / 16).astype("float32")
    y = model.predict(x, verbose=0).argmax(1)
    y[:3] = (y[:3] + 1) % 4
    radius = lipzoo.certify(model, x, y, verbose=0).radius
    return model, x, y, [factor * float(np.median(radius)) for factor in (0.3, 0.8, 1.2, 2.0)]
