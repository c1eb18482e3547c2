"""What `certify_regression` returns."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lipzoo.bounds.model_bound import LipschitzBound
from lipzoo.certificates.inputs import check_values
from lipzoo.certificates.norms import convert_radius, feature_radii
from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.markup import paragraph


@dataclass(frozen=True, eq=False)
class RegressionCertificate:
    """Intervals that hold what a model predicts for all inputs near the given ones.

    Attributes:
        prediction: what the model returned; shape `(examples, outputs)`.
        lower: lower ends of the intervals, of that shape, float64.
        upper: upper ends.
        radius: of the ball of inputs around each example, shape `(examples,)`; in the norm `norm`
            and the units of the input.
        slopes: per output, how far it can move while the input moves by 1 in l2 norm, in exact
            arithmetic.
        bound: the `LipschitzBound` that the slopes rest on, derived when they were; where radii
            are in standard deviations, that of the part of the model after the standardisation.
        rounding: whether the intervals account for rounding errors.
        input_size: number of entries of one input.
        feature_names: names of the features, empty where the model has none.
        units: units of the input and so of the radii, empty where the model states none.
        norm: `"l2"`, or another one by `in_norm`.
        deviation: standard deviation of each feature (the last axis of the input) in its own units,
            where the radii are in standard deviations; `None` otherwise.
        euclidean: the radii in norm l2, where `norm` is another; `None` otherwise.

    Example:
        >>> import keras, numpy as np
        >>> from lipzoo.certificates import certify_regression
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
        >>> model.set_weights([np.array([[3.0, 0.0], [4.0, 1.0]])])
        >>> certificate = certify_regression(model, np.ones((1, 2)), 0.5, verbose=0)
        >>> certificate.lower.round(3).tolist(), certificate.upper.round(3).tolist()
        ([[4.5, 0.5]], [[9.5, 1.5]])
    """

    prediction: np.ndarray = field(repr=False)
    lower: np.ndarray
    upper: np.ndarray
    radius: np.ndarray
    slopes: np.ndarray
    bound: LipschitzBound = field(repr=False)
    rounding: bool = True
    input_size: int = field(kw_only=True, repr=False)
    feature_names: tuple[str, ...] = field(default=(), kw_only=True)
    units: str = field(default="", kw_only=True)
    norm: str = field(default="l2", kw_only=True)
    deviation: np.ndarray | None = field(default=None, kw_only=True, repr=False)
    euclidean: np.ndarray | None = field(default=None, kw_only=True, repr=False)

    def __len__(self) -> int:
        return len(self.radius)

    @property
    def width(self) -> np.ndarray:
        """`upper - lower`, rounded upwards; shape `(examples, outputs)`."""
        return np.nextafter(self.upper - self.lower, np.inf)

    def contains(self, y: npt.ArrayLike) -> np.ndarray:
        """Whether numbers lie in the intervals.

        Predictions at inputs within the radius do, whatever the inputs. True values need not: an
        interval says how far the prediction can move, not how right it is.

        Args:
            y: numbers, one per example and output: shape `(examples, outputs)`, or `(examples,)`
                of a single output.

        Returns:
            Booleans of shape `(examples, outputs)`.

        Raises:
            TypeError: if y is no array of numbers.
            ValueError: if it has another shape, or numbers that are not finite.
        """
        values = check_values(y, self.prediction.shape)
        return (self.lower <= values) & (values <= self.upper)

    def worst_error(self, y: npt.ArrayLike) -> np.ndarray:
        """Upper bounds of `|f(x') - y|` over all x' within the radius.

            max(upper - y, y - lower),  rounded upwards

        What a certified accuracy is for classes: no perturbation of that size makes the error
        larger.

        Args:
            y: true values, as in `contains`.

        Returns:
            Shape `(examples, outputs)`.

        Raises:
            TypeError, ValueError: see `contains`.

        Example:
            >>> import keras, numpy as np, lipzoo
            >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(2.0)])
            >>> certificate = lipzoo.certify_regression(model, np.ones((1, 1)), 0.25, verbose=0)
            >>> certificate.worst_error([1.0]).round(3).tolist()
            [[1.5]]
        """
        values = check_values(y, self.prediction.shape)
        return np.nextafter(np.maximum(self.upper - values, values - self.lower), np.inf)

    def in_norm(self, norm: str) -> "RegressionCertificate":
        """The same intervals with radii in another norm: l1: r, linf: `r / sqrt(input_size)`.

        Balls of these radii lie in the Euclidean one, see `Certificate.in_norm`.

        Args:
            norm: `"l1"`, `"l2"` or `"linf"`.

        Raises:
            ValueError: for another norm, or if the radii are Euclidean no more.
        """
        if self.norm != "l2":
            raise ValueError(f"Expected a certificate in norm l2. Received: norm {self.norm}")
        radius = convert_radius(self.radius, norm, self.input_size)
        euclidean = None if norm == "l2" else self.radius
        return dataclasses.replace(self, radius=radius, norm=norm, euclidean=euclidean)

    @property
    def feature_radii(self) -> dict[str, np.ndarray]:
        """How far each feature of a table alone may move, in its own units, by its name.

            |x'_i - x_i| <= r · deviation_i,  all other features as they are,

        and every output stays in its interval. See `Certificate.feature_radii`; empty where radii
        are not in standard deviations, and for sequences and images.
        """
        radius = self.radius if self.euclidean is None else self.euclidean
        return feature_radii(radius, self.deviation, self.feature_names, self.input_size)

    def __str__(self) -> str:
        """How far every output can move."""
        count, largest = len(self), float(self.radius.max())
        units = f" in {self.units}" if self.units else ""
        lines = [
            f"{count} {'prediction' if count == 1 else 'predictions'}, "
            f"{'as computed' if self.rounding else 'in exact arithmetic'}, "
            f"while the input moves by at most {largest:.4g}{units} ({self.norm}):"
        ]
        for output, movement in enumerate((self.width / 2).T):
            low, high = (format_up(float(end), 4) for end in (movement.min(), movement.max()))
            found = high if low == high else f"{low} to {high}"
            lines.append(f"output {output} moves by at most {found}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return "".join(map(paragraph, str(self).splitlines()))
