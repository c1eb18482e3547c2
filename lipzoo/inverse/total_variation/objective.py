"""Total variation on flattened images: objective, dual and linear algebra."""

import numpy as np


class VariationModel:
    """Objective, dual and linear algebra on flattened images, one example a row."""

    def __init__(self, matrix, image_shape, bounds):
        self.matrix, self.image_shape, self.bounds = matrix, image_shape, bounds
        identity = np.eye(matrix.shape[1])
        # ∇ᵀ∇ + I = LLᵀ; the vectors V diagonalise both: Vᵀ(∇ᵀ∇ + I)V = I, VᵀAᵀAV = diag(values).
        factor = np.linalg.cholesky(self.gradient_adjoint(self.gradient(identity)) + identity)
        scaled = np.linalg.solve(factor, matrix.T)
        values, vectors = np.linalg.eigh(scaled @ scaled.T)
        self.values = np.maximum(values, 0.0)
        self.vectors = np.linalg.solve(factor.T, vectors)

    def gradient(self, x):
        """∇x of shape `(examples, spatial axes, values)`."""
        images = x.reshape(-1, *self.image_shape)
        result = np.zeros((len(images), len(self.image_shape) - 1, *self.image_shape))
        for axis in range(result.shape[1]):
            inner = (slice(None),) * (axis + 1) + (slice(None, -1),)
            result[:, axis][inner] = np.diff(images, axis=axis + 1)
        return result.reshape(*result.shape[:2], -1)

    def gradient_adjoint(self, z):
        """∇ᵀz, flattened."""
        fields = z.reshape(*z.shape[:2], *self.image_shape)
        result = np.zeros((len(z), *self.image_shape))
        for axis in range(z.shape[1]):
            before = (slice(None),) * (axis + 1)
            field = fields[:, axis][(*before, slice(None, -1))]
            result[(*before, slice(None, -1))] -= field
            result[(*before, slice(1, None))] += field
        return result.reshape(len(z), -1)

    def solve(self, right, penalty):
        """`(AᵀA + ρ(∇ᵀ∇ + I))⁻¹` times each row, with its own ρ."""
        return ((right @ self.vectors) / (self.values + penalty)) @ self.vectors.T

    def objective(self, x, residual, weight):
        return 0.5 * squares(residual) + weight * lengths(self.gradient(x)).sum(axis=(1, 2))

    def dual(self, p, q, y):
        low, high = self.bounds
        slope = p @ self.matrix + self.gradient_adjoint(q)
        inner = np.where(slope > 0, low * slope, high * slope).sum(axis=1)
        return inner - 0.5 * squares(p) - np.sum(p * y, axis=1)


def lengths(fields):
    """Euclidean length of the vector at each place, shape `(examples, 1, values)`."""
    return np.sqrt(np.sum(fields**2, axis=1, keepdims=True))


def into_balls(fields, radius):
    """The nearest field whose vectors have at most that length."""
    return fields * (radius / np.maximum(lengths(fields), radius))


def squares(arrays):
    """Squared norm of each example."""
    return np.sum(arrays.reshape(len(arrays), -1) ** 2, axis=1)


def positive(array):
    """The array, at least the smallest normal number: guards a division."""
    return np.maximum(array, np.finfo(float).tiny)
