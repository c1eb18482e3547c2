"""Derivatives by each backend's own means, so that lipzoo's can be compared with them."""

import keras
import numpy as np


def pulled_back(function, x, vector=None):
    """The gradient of `sum(vector * function(x))`, with ones for `None`; NumPy arrays."""
    x = keras.ops.convert_to_tensor(x)
    gradient = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    return np.array(keras.ops.convert_to_numpy(gradient(function, x, vector)))


def jacobians(function, x):
    """The Jacobian (outputs, inputs) of a function of one example, at each example of x."""
    outputs = int(np.prod(_output_shape(function, keras.ops.convert_to_tensor(x))[1:]))
    # One row of the Jacobian for each copy of an example.
    copies, rows = np.repeat(x, outputs, axis=0), np.tile(np.eye(outputs), (len(x), 1))
    gradients = pulled_back(lambda x: keras.ops.reshape(function(x), (-1, outputs)), copies, rows)
    return gradients.reshape(len(x), outputs, -1)


def _output_shape(function, x):
    if keras.backend.backend() != "jax":
        return keras.ops.shape(function(x))
    import jax

    return jax.eval_shape(function, x).shape


def _tensorflow(function, x, vector):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x, None if vector is None else tf.cast(vector, y.dtype))


def _jax(function, x, vector):
    import jax

    # Compiled as one, which takes JAX less than to compile the operations one by one.
    @jax.jit
    def gradient(x):
        y, pullback = jax.vjp(function, x)
        return pullback(jax.numpy.ones_like(y) if vector is None else vector.astype(y.dtype))[0]

    return gradient(x)


def _torch(function, x, vector):
    import torch

    x = x.detach().requires_grad_(True)
    y = function(x)
    vector = torch.ones_like(y) if vector is None else torch.as_tensor(vector, dtype=y.dtype)
    return torch.autograd.grad(y, x, vector)[0]
