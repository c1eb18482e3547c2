"""What `ConformalRegressor.predict_interval` returns."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lipzoo.certificates.inputs import check_values
from lipzoo.conformal.prediction_sets import moving


@dataclass(frozen=True, eq=False)
class PredictionIntervals:
    """An interval for every input and output.

    Attributes:
        prediction: what the model returned; shape `(examples, outputs)`.
        lower: lower ends of the intervals, of that shape, float64.
        upper: upper ends.
        epsilon: ε per example, the l2 norm of perturbations that the guarantee is about.
        guaranteed_coverage: `1 - α`, the least probability with which the intervals of an example
            contain all its true values.
        units: units of ε, empty where the model states none.

    Example:
        >>> intervals = PredictionIntervals(
        ...     np.zeros((2, 1)), -np.ones((2, 1)), np.ones((2, 1)), np.zeros(2), 0.9
        ... )
        >>> intervals.width.ravel().tolist(), intervals.empirical_coverage([0.5, 3.0])
        ([2.0, 2.0], 0.5)
    """

    prediction: np.ndarray = field(repr=False)
    lower: np.ndarray
    upper: np.ndarray
    epsilon: np.ndarray = field(repr=False)
    guaranteed_coverage: float
    units: str = ""

    def __len__(self) -> int:
        return len(self.lower)

    @property
    def width(self) -> np.ndarray:
        """`upper - lower`; shape `(examples, outputs)`."""
        return self.upper - self.lower

    def contains(self, y: npt.ArrayLike) -> np.ndarray:
        """Whether all true values of an example lie in its intervals.

        Args:
            y: finite numbers of shape `(examples, outputs)`, or `(examples,)` of a single output.

        Returns:
            Booleans of shape `(examples,)`.

        Raises:
            TypeError: if y is no array of numbers.
            ValueError: if it has another shape, or numbers that are not finite.
        """
        values = check_values(y, self.lower.shape)
        return np.all((self.lower <= values) & (values <= self.upper), axis=1)

    def empirical_coverage(self, y: npt.ArrayLike) -> float:
        """Share of examples whose true values lie in the intervals, measured; see `contains`."""
        return float(np.mean(self.contains(y)))

    def __str__(self) -> str:
        """Widths of the intervals, and what is guaranteed of them."""
        widths = ", ".join(f"{width:.4g}" for width in np.median(self.width, axis=0))
        return (
            f"intervals of {len(self):,} examples, guaranteed to contain the true values with "
            f"probability at least {100 * self.guaranteed_coverage:g} % while "
            f"{moving(self.epsilon, self.units)}\n"
            f"median width: {widths}"
        )
