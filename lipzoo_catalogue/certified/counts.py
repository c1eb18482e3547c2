"""Shares of examples whose radius is large enough, from counts that grow."""

import numpy as np


class Counts:
    """How many radii are above each of some thresholds, counted piece by piece.

    Args:
        thresholds: radii of at least 0.
        labelled: whether it is known which predictions are correct.

    Attributes:
        examples: number of examples so far.
        correct: number of correct predictions among them.

    Example:
        >>> counts = Counts([0.25], labelled=True)
        >>> counts.add(np.array([0.1, 0.5, 0.7, 0.9]), np.array([True, True, False, True]))
        >>> counts.coverage(0.25), counts.certified_accuracy(0.25), counts.accuracy
        (0.75, 0.5, 0.75)
    """

    def __init__(self, thresholds, labelled: bool):
        self.labelled = labelled
        self.examples = self.correct = 0
        self._above = dict.fromkeys(map(float, thresholds), 0)
        self._correct_above = dict(self._above)

    def add(self, radius: np.ndarray, correct: np.ndarray | None) -> None:
        """Counts more examples: their radii, and which are classified correctly."""
        self.examples += len(radius)
        for threshold in self._above:
            self._above[threshold] += int(np.sum(radius > threshold))
        if self.labelled:
            self.correct += int(np.sum(correct))
            for threshold in self._correct_above:
                self._correct_above[threshold] += int(np.sum(radius[correct] > threshold))

    @property
    def accuracy(self) -> float | None:
        """Share of correct predictions; `None` without labels."""
        return self.correct / self.examples if self.labelled else None

    def kept(self, threshold: float) -> int:
        """Number of radii above one of the thresholds."""
        return self._above[threshold]

    def coverage(self, threshold: float) -> float:
        """Share of radii above one of the thresholds; see `Certificate.coverage`."""
        return self._above[threshold] / self.examples

    def certified_accuracy(self, threshold: float) -> float:
        """Share of correct predictions with such a radius; see `Certificate.certified_accuracy`."""
        return self._correct_above[threshold] / self.examples

    def selective_accuracy(self, threshold: float) -> float | None:
        """Accuracy of the predictions with such a radius; `None` where there are none."""
        if self._above[threshold] == 0:
            return None
        return self._correct_above[threshold] / self._above[threshold]
