"""Small inverse problems that several tests solve."""

import keras
import numpy as np

from lipzoo import InvNet, inverse
from lipzoo.inverse import parameter_choice, tikhonov_reconstruction
from lipzoo.inverse.operators import base, claims
from lipzoo.layers import GradientFlowConv1D, Lift, Project
from tests.truths import randomise


def blur(length=16, sigma=1.0, padding="same"):
    return inverse.Blur((length, 1), inverse.gaussian_kernel(sigma, truncate=2.0), padding)


def randomised(model, seed=0):
    """The model with random weights within their constraints, which really do something."""
    for layer in model.layers:
        randomise(layer, seed)
    return model


def small_net(operator=None, **arguments):
    operator = blur() if operator is None else operator
    settings = {"alpha": 0.02, "steps": 3, "width": 4, "filters": 6, "flows": 1, **arguments}
    return randomised(InvNet(operator, **settings))


def denoiser(shape=(16, 1), scale=None, dtype="float32"):
    """A non-expansive model of signals; not the identity."""
    inputs = keras.Input(shape, dtype=dtype)
    x = inputs if scale is None else keras.layers.Rescaling(scale)(inputs)
    x = Lift(3, dtype=dtype)(x)
    x = GradientFlowConv1D(8, 3, activation="tanh", dtype=dtype)(x)
    x = Project(1, dtype=dtype)(x)
    return randomised(keras.Model(inputs, x, name="denoiser"), seed=3)


def signals(count=6, length=16, seed=0):
    generator = np.random.default_rng(seed)
    return np.sort(generator.uniform(0, 1, (count, length, 1)), axis=1).astype("float32")


def measurements(operator, images, noise=0.02, seed=1):
    exact = keras.ops.convert_to_numpy(operator.apply(images))
    noisy = exact + noise * np.random.default_rng(seed).standard_normal(exact.shape)
    return noisy.astype("float32")


def limit_matrices(monkeypatch, entries):
    """Whatever has more entries counts as too large for a matrix."""
    for module in (base, claims, parameter_choice, tikhonov_reconstruction):
        monkeypatch.setattr(module, "MAX_ENTRIES", entries)


class Difference(inverse.LinearOperator):
    """Has what its products need, and no more."""

    def __init__(self, length=8):
        super().__init__((length, 1), (length - 1, 1))

    def apply(self, x):
        return x[:, 1:] - x[:, :-1]

    def adjoint(self, y):
        zero = keras.ops.zeros_like(y[:, :1])
        return keras.ops.concatenate([zero, y], axis=1) - keras.ops.concatenate([y, zero], axis=1)
