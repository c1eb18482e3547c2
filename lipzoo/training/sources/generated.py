"""Data sets that are computed: the same examples on every machine."""

import numpy as np

from lipzoo.training.sources.raw import DataError, RawData, RawSplit


def swiss_roll(
    examples: int = 4000, *, turns: float = 1.5, noise: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws points of the plane on two interleaved spirals, one per class.

    A point of class c has the radius `t` and the angle `2π · turns · t + πc`, t uniform in
    [0.1, 1], plus normal noise.

    Args:
        examples: number of points, half of each class.
        turns: turns of each spiral.
        noise: standard deviation of the noise.
        seed: seed of the draw.

    Returns:
        Points of shape `(examples, 2)`, float32, and labels 0 and 1.

    Example:

    >>> points, labels = swiss_roll(10)
    >>> points.shape, labels.tolist()
    ((10, 2), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
    """
    generator = np.random.default_rng(seed)
    labels = np.arange(examples) % 2
    t = generator.uniform(0.1, 1.0, examples)
    angle = 2 * np.pi * turns * t + np.pi * labels
    points = np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1)
    points += noise * generator.standard_normal(points.shape)
    return points.astype("float32"), labels


def read_generated(name: str) -> RawData:
    """A data set that is generated with a fixed seed."""
    if name != "swissroll":
        raise DataError(f"generated:{name}: expected 'generated:swissroll'")
    return RawData(
        f"generated:{name}", RawSplit(*swiss_roll()), class_names=("first arm", "second arm")
    )
