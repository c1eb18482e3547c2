"""What an attack is, and what it is run against."""

import abc
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from lipzoo.certificates.prediction import predict
from lipzoo.evaluation.balls import difference, norms
from lipzoo.evaluation.bisection import bisect
from lipzoo.evaluation.margins import computed_margins, two_or_more


@dataclass(frozen=True, eq=False)
class Target:
    """A classifier and the examples at which it is attacked.

    Attributes:
        model: from one batch of inputs to logits.
        x: examples, shape `(examples, ...)`, in the dtype of the model's input.
        prediction: predicted class of each.
        clip: smallest and largest value that an input may take, or `None`.
        batch_size: examples attacked at once.
        scale: factor on the logits that attacks of other libraries see. Predictions do not depend
            on it, but the cross-entropy that they ascend does: with small logits its gradient
            points at no class in particular, with large ones it vanishes.
    """

    model: keras.Model
    x: np.ndarray
    prediction: np.ndarray
    clip: tuple[float, float] | None
    batch_size: int
    scale: float = 1.0

    @property
    def classes(self) -> int:
        """Number of classes; a single logit tells two apart."""
        return max(2, self.model.output_shape[-1])

    def bounds(self) -> tuple[float, float]:
        """A finite box for attacks that need one: `clip`, or the range of x widened by its span."""
        if self.clip is not None:
            return self.clip
        low, high = float(self.x.min()), float(self.x.max())
        span = max(high - low, 1.0)
        return low - span, high + span

    def logits(self, inputs):
        """Two logits or more of a tensor, scaled and in float32: what other libraries are given."""
        outputs = self.model(ops.cast(inputs, self.model.inputs[0].dtype), training=False)
        return self.scale * ops.cast(two_or_more(outputs), "float32")

    def margins(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """`f_y - max_{j≠y} f_j` of the model as it predicts; NaN logits have margin -inf."""
        logits = predict(self.model, inputs, self.batch_size)
        return np.nan_to_num(computed_margins(logits, labels), nan=-np.inf)


class Attack(abc.ABC):
    """A way to look for inputs near an example that are classified differently.

    Subclasses are frozen dataclasses; their fields are the settings. Nothing that an attack returns
    is trusted: distances and predictions are computed again by whoever runs it.

    Attributes:
        name: what the attack is asked for by.
        minimises: whether it looks for the nearest such input and is run once, or for any within a
            radius and is run at each.
        restarts: number of runs at the examples that still stand.
    """

    name: ClassVar[str]
    minimises: ClassVar[bool] = False
    restarts: int = 1

    @abc.abstractmethod
    def check(self, target: Target) -> None:
        """Says before any work whether the attack can run.

        Raises:
            ImportError: if a library is missing; the message names the extra to install.
            ValueError: if a setting is out of range, or the target is none for this attack.
        """

    @abc.abstractmethod
    def prepare(self, target: Target):
        """Returns `run(x, y, epsilon, random, restart)`, which gives an input for each example.

        `x` and `y` are some of the examples and their labels, `epsilon` the radius of the search
        (the largest one that matters for an attack that minimises), `random` a
        `np.random.Generator`, and `restart` counts the runs from 0. Where nothing was found, any
        input will do.
        """

    @abc.abstractmethod
    def __str__(self) -> str:
        """Name and settings."""


def nearest_of_other_classes(target: Target, x, y) -> tuple[np.ndarray, np.ndarray]:
    """Points of the segment from each x to the nearest example that is classified otherwise.

    Bisection brings them close to the boundary that the segment crosses.

    Args:
        target: the examples among which others are looked for.
        x, y: some of them with their labels.

    Returns:
        The points, and whether there was an example to start from.
    """
    away = x.copy()
    found = np.full(len(x), False)
    flat = target.x.reshape(len(target.x), -1).astype("float64")
    for label in np.unique(y):
        others, own = flat[target.prediction != label], np.flatnonzero(y == label)
        if not len(others):
            continue
        points = x[own].reshape(len(own), -1).astype("float64")
        squares = np.sum(others**2, axis=1) - 2 * points @ others.T
        away[own] = target.x[target.prediction != label][squares.argmin(axis=1)]
        found[own] = True
    found &= target.margins(away, y) <= 0
    away = bisect(x, away, lambda inputs: target.margins(inputs, y) <= 0, steps=12)
    return away, found


def lengths(inputs, x) -> np.ndarray:
    """Upper bounds of `‖inputs - x‖₂` for each example, the rounding of the norm included."""
    # A float64 sum of n squares and its root are off by less than (n + 4) units of 2^-53.
    return norms(difference(inputs, x)) * (1.0 + (x[0].size + 4) * 2.0**-53)


def inner_radius(epsilon: float, size: int) -> float:
    """A radius such that `lengths` of points within it are at most ε, for inputs of `size` numbers.

    Example:

    >>> 0.5 - 1e-12 < inner_radius(0.5, 784) < 0.5
    True
    """
    return epsilon * (1.0 - 2.0 * (size + 4) * 2.0**-53)
