"""Data sets that are computed: the same examples on every machine."""

import numpy as np

from lipzoo.data.sources.raw import DataError, RawData, RawSplit


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


def piecewise_smooth(
    examples: int = 1000, *, length: int = 128, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws signals that are smooth but for jumps, with values in [0, 1].

    A signal has two to six jumps at random places; each piece has a level in [0.15, 0.85] and a
    normal slope of standard deviation 0.3, and a sine of amplitude 0.05 runs through all of it.

    Args:
        examples: number of signals.
        length: number of samples of each.
        seed: seed of the draw.

    Returns:
        Signals of shape `(examples, length, 1)`, float32, and the number of jumps of each.

    Example:

    >>> signals, jumps = piecewise_smooth(10, length=32)
    >>> signals.shape, int(jumps.min()) >= 2
    ((10, 32, 1), True)
    """
    generator = np.random.default_rng(seed)
    t = (np.arange(length) + 0.5) / length
    signals = np.empty((examples, length))
    jumps = generator.integers(2, 7, examples)
    for signal, count in zip(signals, jumps, strict=True):
        edges = np.concatenate([[0.0], np.sort(generator.uniform(0, 1, count)), [1.0]])
        piece = np.searchsorted(edges[1:-1], t)
        level, slope = generator.uniform(0.15, 0.85, count + 1), generator.normal(0, 0.3, count + 1)
        centre = 0.5 * (edges[:-1] + edges[1:])
        frequency, phase = generator.uniform(1, 4), generator.uniform()
        signal[:] = level[piece] + slope[piece] * (t - centre[piece])
        signal += 0.05 * np.sin(2 * np.pi * (frequency * t + phase))
    return np.clip(signals, 0.0, 1.0)[..., None].astype("float32"), jumps


def read_generated(name: str) -> RawData:
    """A data set that is generated with a fixed seed."""
    if name == "swissroll":
        arms = ("first arm", "second arm")
        return RawData(f"generated:{name}", RawSplit(*swiss_roll()), class_names=arms)
    if name == "piecewise":
        train, validation, test = (
            RawSplit(*piecewise_smooth(count, seed=seed))
            for seed, count in enumerate((20_000, 1_000, 1_000))
        )
        return RawData(f"generated:{name}", train, validation, test)
    raise DataError(f"generated:{name}: expected 'generated:swissroll' or 'generated:piecewise'")
