"""Points of l2 balls around examples, in the dtype of the examples; what the attacks share."""

import numpy as np


def into_ball(x, offset, epsilon, clip=None):
    """`x + offset` in the dtype of `x`, moved into the box and, in float64, into the ball.

    Rounding to the dtype of `x` can carry a point of the sphere out of the ball, so what is still
    outside is pulled in again, and a ball too small for the dtype keeps `x`.

    Args:
        x: examples, of shape `(examples, ...)`.
        offset: float64 offsets of that shape.
        epsilon: radius of each ball.
        clip: smallest and largest value, or `None`.

    Returns:
        The points, and their offsets from `x`.
    """
    limit = epsilon
    for _ in range(4):
        length = norms(offset)
        shrink = np.where(length > limit, limit / np.maximum(length, 1e-300), 1.0)
        point = (x + offset * column(shrink, x)).astype(x.dtype)
        if clip is not None:
            point = np.clip(point, *clip)
        offset = difference(point, x)
        excess = norms(offset) - epsilon
        outside = excess > 0
        if not outside.any():
            return point, offset
        # At least by what the rounding carried out, which may be much of a small ball.
        smaller = np.maximum(np.minimum(limit * (1 - 1e-6), limit - 2 * excess), 0.0)
        limit = np.where(outside, smaller, limit)
    point[outside], offset[outside] = x[outside], 0.0
    return point, offset


def random_offsets(shape, epsilon, random):
    """Points of l2 balls around 0, uniformly distributed.

    Args:
        shape: `(examples, ...)`.
        epsilon: radius, one number or one per example.
        random: `np.random.Generator`.
    """
    directions = random.standard_normal(shape)
    lengths = random.random(shape[0]) ** (1.0 / directions[0].size)
    return scaled(directions, epsilon * lengths)


def scaled(vectors, lengths):
    """The vectors with the given l2 norms; a zero vector stays zero."""
    given = norms(vectors)
    return vectors * column(np.where(given > 0, lengths / np.maximum(given, 1e-300), 0.0), vectors)


def difference(first, second):
    """`first - second` in float64."""
    return first.astype("float64") - second.astype("float64")


def norms(vectors):
    """The l2 norm of each example."""
    return np.linalg.norm(vectors.reshape(len(vectors), -1), axis=1)


def column(values, like):
    """One value per example, with the axes to be broadcast to `like`."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))
