"""What `certify` returns."""

from dataclasses import dataclass, field

import numpy as np

from lipzoo.bounds.result import LipschitzBound
from lipzoo.certificates.inputs import check_radii
from lipzoo_catalogue.numbers import format_up

_SHOWN_EPSILONS = (0.1, 36 / 255, 0.25, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class Certificate:
    """Certified radii of predictions.

    Attributes:
        radius: per example, the Euclidean radius within which the prediction cannot change; in the
            units of the input; shape `(examples,)`, float64.
        prediction: predicted class per example.
        labels: true classes, or `None`.
        logits: what the model returned.
        bound: the `LipschitzBound` that the radii rest on, derived when they were.
        rounding: whether the radii account for rounding errors.

    Example:
        >>> import keras, numpy as np
        >>> from lipzoo.certificates import certify
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
        >>> model.set_weights([np.eye(2)])
        >>> x = np.array([[3.0, 1.0], [0.0, 0.5]])
        >>> certificate = certify(model, x, y=[0, 1], verbose=0)
        >>> certificate.certified_accuracy([0.25, 1.0]).tolist()
        [1.0, 0.5]
    """

    radius: np.ndarray
    prediction: np.ndarray
    labels: np.ndarray | None
    logits: np.ndarray = field(repr=False)
    bound: LipschitzBound = field(repr=False)
    rounding: bool = True

    def __len__(self) -> int:
        return len(self.radius)

    @property
    def accuracy(self) -> float:
        """Fraction of examples that are classified correctly."""
        return float(np.mean(self._correct()))

    def certified_accuracy(self, epsilon):
        """Fraction of examples that are classified correctly with a radius above `epsilon`.

        A lower bound of the accuracy under every attack that moves an input by at most `epsilon`.

        Args:
            epsilon: radius of at least 0, or a list of radii.

        Returns:
            A float for a number, an array for a list.

        Raises:
            ValueError: if there are no labels, or a radius is no number, negative or NaN.
        """
        radii = check_radii(epsilon)
        certified = np.sort(self.radius[self._correct()])
        above = len(certified) - np.searchsorted(certified, radii, side="right")
        accuracy = above / len(self)
        return float(accuracy) if radii.ndim == 0 else accuracy

    def plot(self, ax=None):
        """Draws the certified accuracy over epsilon; without labels, the share of certified inputs.

        Args:
            ax: Matplotlib axes; `None` for new ones.

        Returns:
            The axes.

        Raises:
            ImportError: if Matplotlib is not installed.
        """
        if ax is None:
            try:
                from matplotlib import pyplot
            except ImportError as error:
                raise ImportError(
                    "Certificate.plot needs Matplotlib: pip install 'lipzoo[plots]'"
                ) from error
            _, ax = pyplot.subplots()
        counted = self.radius if self.labels is None else self.radius[self._correct()]
        steps = np.sort(counted[np.isfinite(counted)])
        epsilons = np.concatenate([[0.0], steps])
        share = (len(counted) - np.searchsorted(np.sort(counted), epsilons, "right")) / len(self)
        ax.step(epsilons, 100 * share, where="post")
        ax.set_xlabel("Euclidean radius ε")
        ax.set_ylabel(
            "certified predictions (%)" if self.labels is None else "certified accuracy (%)"
        )
        ax.set_ylim(0, 100)
        ax.set_xlim(left=0)
        return ax

    def __str__(self) -> str:
        count = f"{len(self):,} example" + ("s" if len(self) != 1 else "")
        arithmetic = "rounding included" if self.rounding else "exact arithmetic"
        lines = [
            f"Certificate of {count}, model '{self.bound.name}', Lipschitz bound "
            f"{format_up(self.bound.value)} ({arithmetic})"
        ]
        if self.labels is None:
            lines.append(f"{'radius above':>14}  {'predictions':>11}")
            lines.append(f"{'any':>14}  {100.0:>9.2f} %")
            for epsilon in _SHOWN_EPSILONS:
                lines.append(f"{epsilon:>14.4g}  {100 * np.mean(self.radius > epsilon):>9.2f} %")
        else:
            lines.append(f"{'epsilon':>14}  {'certified accuracy':>18}")
            lines.append(f"{'clean':>14}  {100 * self.accuracy:>16.2f} %")
            for epsilon in _SHOWN_EPSILONS:
                certified = self.certified_accuracy(epsilon)
                lines.append(f"{epsilon:>14.4g}  {100 * certified:>16.2f} %")
        quartiles = np.quantile(self.radius, [0.25, 0.5, 0.75], method="lower")
        lines.append("radius quartiles: " + ", ".join(f"{value:.4g}" for value in quartiles))
        return "\n".join(lines)

    def _correct(self) -> np.ndarray:
        if self.labels is None:
            raise ValueError("Expected labels: pass y to lipzoo.certify. Received: y=None")
        return self.prediction == self.labels
