"""Independent truths for tests: operators written out as matrices, Jacobians, norms by SVD.

And weights at random, so that nothing holds only for those that a layer starts with.
"""

import keras
import numpy as np
from keras import ops

from tests.derivatives import jacobians


def linear_operator(function, shape):
    """The matrix (outputs, inputs) of a linear `function` on tensors of `shape`."""
    size = int(np.prod(shape))
    images = ops.convert_to_numpy(function(np.eye(size, dtype="float32").reshape(size, *shape)))
    return images.reshape(size, -1).T


def dense_jacobian(function, point):
    """The Jacobian (outputs, inputs) at `point` by autodiff."""
    return jacobians(function, point[None])[0]


def materialise(layer, shape):
    """The matrix of an affine layer's linear part, from the unit vectors of the input shape."""
    size = int(np.prod(shape))
    basis = np.concatenate([np.zeros((1, size)), np.eye(size)]).reshape(size + 1, *shape)
    images = ops.convert_to_numpy(layer(basis)).reshape(size + 1, -1)
    return (images[1:] - images[0]).T


def exact_norm(layer, shape):
    """Operator norm of an affine layer by a full SVD."""
    return np.linalg.norm(materialise(layer, shape), 2)


def jacobian_norms(model, x):
    """Largest singular value of the Jacobian of all outputs together at every example of x."""

    def flat(x):
        outputs = keras.tree.flatten(model(x))
        return ops.concatenate([ops.reshape(output, (len(x), -1)) for output in outputs], axis=1)

    return np.linalg.norm(jacobians(flat, x), 2, axis=(1, 2))


def randomise(layer, seed=0):
    """Draws all weights of `layer` at random and projects those with a constraint."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
        if weight.constraint is not None:
            weight.assign(weight.constraint(weight))


def randomise_freely(model, seed=0, scale=1.0):
    """Draws all weights at random, whatever constraint they have; variances stay positive."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        values = generator.normal(size=variable.shape) * scale
        is_variance = "variance" in variable.path
        variable.assign(np.abs(values) + 0.1 if is_variance else values)
    return model
