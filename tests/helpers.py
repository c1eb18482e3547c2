"""Independent truths that several tests compare with."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.derivatives import jacobians

compiled = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="torch.compile takes minutes for a small network"
)
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="lipzoo promises it on TensorFlow alone"
)
in_float64 = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras narrows float64 on PyTorch"
)
half_precision = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="float16 takes JAX minutes on a CPU"
)


def linear_operator(function, shape):
    """The matrix (outputs, inputs) of a linear `function` on tensors of `shape`."""
    size = int(np.prod(shape))
    images = ops.convert_to_numpy(function(np.eye(size, dtype="float32").reshape(size, *shape)))
    return images.reshape(size, -1).T


def dense_jacobian(function, point):
    """The Jacobian (outputs, inputs) at `point` by autodiff."""
    return jacobians(function, point[None])[0]


def compile_fast(model, optimizer, loss, **settings):
    """Compiles a model whose training begins soon: without XLA, its step traced once.

    An optimizer makes its variables in the first step, which TensorFlow then traces a second time.
    """
    compiles = "auto" if keras.backend.backend() == "jax" else False
    model.compile(optimizer, loss, jit_compile=compiles, **settings)
    model.optimizer.build(model.trainable_variables)


def randomise(layer, seed=0):
    """Draws all weights of `layer` at random and projects those with a constraint."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
        if weight.constraint is not None:
            weight.assign(weight.constraint(weight))
