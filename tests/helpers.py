"""Independent truths that several tests compare with."""

import numpy as np
from keras import ops


def linear_operator(function, shape):
    """The matrix (outputs, inputs) of a linear `function` on tensors of `shape`."""
    size = int(np.prod(shape))
    images = ops.convert_to_numpy(function(np.eye(size, dtype="float32").reshape(size, *shape)))
    return images.reshape(size, -1).T


def dense_jacobian(function, point):
    """The Jacobian (outputs, inputs) at `point` by autodiff, under TensorFlow."""
    import tensorflow as tf

    shape = function(tf.constant(point[None])).shape[1:]
    # One row of the Jacobian for each copy of the point.
    outputs = int(np.prod(shape))
    x = tf.constant(np.repeat(point[None], outputs, axis=0))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    rows = tf.reshape(tf.eye(outputs, dtype=y.dtype), (outputs, *shape))
    return tape.gradient(y, x, rows).numpy().reshape(outputs, -1)


def randomise(layer, seed=0):
    """Draws all weights of `layer` at random and projects those with a constraint."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
        if weight.constraint is not None:
            weight.assign(weight.constraint(weight))
