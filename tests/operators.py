"""Independent truths for tests: operators written out as matrices, Jacobians, norms by SVD."""

import keras
import numpy as np

from tests.derivatives import jacobians


def materialise(layer, shape):
    """The matrix of an affine layer's linear part, from the unit vectors of the input shape."""
    size = int(np.prod(shape))
    basis = np.concatenate([np.zeros((1, size)), np.eye(size)]).reshape(size + 1, *shape)
    images = keras.ops.convert_to_numpy(layer(basis)).reshape(size + 1, -1)
    return (images[1:] - images[0]).T


def exact_norm(layer, shape):
    """Operator norm of an affine layer by a full SVD."""
    return np.linalg.norm(materialise(layer, shape), 2)


def jacobian_norms(model, x):
    """Largest singular value of the Jacobian of all outputs together at every example of x."""

    def flat(x):
        outputs = keras.tree.flatten(model(x))
        return keras.ops.concatenate(
            [keras.ops.reshape(output, (len(x), -1)) for output in outputs], axis=1
        )

    return np.linalg.norm(jacobians(flat, x), 2, axis=(1, 2))


def randomise(model, seed=0, scale=1.0):
    """Gives every weight random values; variances stay positive."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        values = generator.normal(size=variable.shape) * scale
        is_variance = "variance" in variable.path
        variable.assign(np.abs(values) + 0.1 if is_variance else values)
    return model
