"""What `certify` returns."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lipzoo.bounds.model_bound import LipschitzBound
from lipzoo.certificates import gallery, presentation, selective_classification
from lipzoo.certificates.norms import convert_radius, feature_radii
from lipzoo_catalogue.certified.radii import check_radii
from lipzoo_catalogue.certified.report import CertificateReport


@dataclass(frozen=True, eq=False)
class Certificate:
    """Certified radii of predictions, and what they say about a decision.

    Attributes:
        radius: per example, the radius within which the prediction cannot change; in the norm
            `norm` and the units of the input; shape `(examples,)`, float64.
        prediction: predicted class per example.
        labels: true classes, or `None`.
        logits: what the model returned; `None` for a data set, of which they are not kept.
        bound: the `LipschitzBound` that the radii rest on, derived when they were; where they are
            in standard deviations, that of the part of the model after the standardisation.
        rounding: whether the radii account for rounding errors.
        rival: per example the class that attains the minimum in the radius (in exact arithmetic),
            the one that the prediction is nearest to changing to; -1 where no class can be reached.
        arithmetic: the type that the model computes in, and that of the margins at x where these
            come from a reference.
        input_size: number of entries of one input.
        decision: `"max"`, or `"min"` where the least output is the class.
        local: whether the radii rest on slopes within each ball, which are at most the bound's.
        class_names: names of the classes, empty where the model has none.
        feature_names: names of the features, likewise.
        units: units of the input and so of the radii, empty where the model states none.
        norm: `"l2"`, or another one by `in_norm`.
        deviation: standard deviation of each feature (the last axis of the input) in its own units,
            where the radii are in standard deviations; `None` otherwise.
        euclidean: the radii in norm l2, where `norm` is another; `None` otherwise.
        outputs: number of logits.

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
    # An array, or None.
    logits: Any = field(repr=False)
    bound: LipschitzBound = field(repr=False)
    rounding: bool = True
    rival: np.ndarray = field(kw_only=True, repr=False)
    input_size: int = field(kw_only=True, repr=False)
    arithmetic: str = field(default="", kw_only=True)
    decision: str = field(default="max", kw_only=True)
    local: bool = field(default=False, kw_only=True)
    class_names: tuple[str, ...] = field(default=(), kw_only=True)
    feature_names: tuple[str, ...] = field(default=(), kw_only=True)
    units: str = field(default="", kw_only=True)
    norm: str = field(default="l2", kw_only=True)
    deviation: np.ndarray | None = field(default=None, kw_only=True, repr=False)
    euclidean: np.ndarray | None = field(default=None, kw_only=True, repr=False)
    outputs: int = field(default=0, kw_only=True, repr=False)

    def __post_init__(self):
        if self.logits is not None:
            object.__setattr__(self, "outputs", self.logits.shape[1])

    @property
    def domain(self) -> str:
        """The box that the certificate is about, as text; empty where it holds everywhere.

        Inside the box no perturbation up to the radius changes the prediction: the ball around x is
        intersected with the box.
        """
        return "" if self.bound.domain is None else str(self.bound.domain)

    def __len__(self) -> int:
        return len(self.radius)

    @property
    def accuracy(self) -> float:
        """Fraction of examples that are classified correctly."""
        return float(np.mean(self._correct()))

    def certified_accuracy(self, epsilon: npt.ArrayLike) -> float | np.ndarray:
        """Fraction of examples that are classified correctly with a radius above `epsilon`.

        A lower bound of the accuracy under every attack that moves an input by at most `epsilon`,
        and not out of the `domain`, where there is one.

        Args:
            epsilon: radius of at least 0, or a list of radii.

        Returns:
            A float for a number, an array for a list.

        Raises:
            ValueError: if there are no labels, or a radius is no finite number of at least 0.
        """
        radii = check_radii(epsilon)
        return selective_classification.share_above(self.radius[self._correct()], radii, len(self))

    def coverage(self, radius):
        """Fraction of predictions that are kept by whoever abstains below a radius.

            coverage(r) = #{i : radius_i > r} / n

        No perturbation of norm up to r changes any of them to another class. Needs no labels.

        Args:
            radius: radius of at least 0, or a list of radii.

        Returns:
            A float for a number, an array for a list.

        Raises:
            ValueError: if a radius is no finite number of at least 0.

        Reference: selective classification, arXiv 1705.08500.
        """
        return selective_classification.share_above(
            self.radius, check_radii(radius, "radius"), len(self)
        )

    def selective_accuracy(self, radius):
        """Accuracy of the predictions that are kept by whoever abstains below a radius.

            #{i : radius_i > r, prediction_i = label_i} / #{i : radius_i > r}

        One minus the selective risk. It need not grow with r, though it usually does.

        Args:
            radius: radius of at least 0, or a list of radii.

        Returns:
            A float for a number, an array for a list; NaN where no prediction is kept.

        Raises:
            ValueError: if there are no labels, or a radius is no finite number of at least 0.
        """
        radii = check_radii(radius, "radius")
        return selective_classification.selective_accuracy(self.radius, self._correct(), radii)

    def sensitivity(self, positive=1) -> float:
        """Fraction of the positive examples that are classified as positive (recall).

        Args:
            positive: the positive class of two, as a number or by its name.

        Raises:
            ValueError: if there are no labels, none of the examples is positive, the model has more
                than two classes, or there is no such class.
        """
        return self._rate(positive, None, of_positives=True)

    def specificity(self, positive=1) -> float:
        """Fraction of the negative examples that are classified as negative; see `sensitivity`."""
        return self._rate(positive, None, of_positives=False)

    def certified_sensitivity(self, epsilon, positive=1):
        """Fraction of the positive examples classified as positive with a radius above `epsilon`.

        A lower bound of the sensitivity under every attack that moves an input by at most
        `epsilon`.

        Args:
            epsilon: radius of at least 0, or a list of radii.
            positive: the positive class of two, as a number or by its name.

        Returns:
            A float for a number, an array for a list.

        Raises:
            ValueError: as in `sensitivity`, or if a radius is no finite number of at least 0.
        """
        return self._rate(positive, check_radii(epsilon), of_positives=True)

    def certified_specificity(self, epsilon, positive=1):
        """Fraction of the negative examples classified as negative with a radius above `epsilon`.

        As `certified_sensitivity`, for the other class.
        """
        return self._rate(positive, check_radii(epsilon), of_positives=False)

    def in_norm(self, norm: str) -> "Certificate":
        """The same certificate with radii in another norm.

            l1: r,  linf: r / sqrt(input_size), rounded downwards

        since `||v||_2 <= ||v||_1` and `||v||_2 <= sqrt(input_size) ||v||_inf`. Proven, and loose:
        the larger ball around x in the new norm that the prediction withstands may be larger.

        Args:
            norm: `"l1"`, `"l2"` or `"linf"`.

        Raises:
            ValueError: for another norm, or if the radii are Euclidean no more.

        Example:
            >>> import keras, numpy as np, lipzoo
            >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
            >>> certificate = lipzoo.certify(model, np.ones((1, 4)), verbose=0)
            >>> ratio = certificate.in_norm("linf").radius / certificate.radius
            >>> bool(0.4999 < ratio[0] < 0.5)
            True
        """
        if self.norm != "l2":
            raise ValueError(f"Expected a certificate in norm l2. Received: norm {self.norm}")
        radius = convert_radius(self.radius, norm, self.input_size)
        euclidean = None if norm == "l2" else self.radius
        return dataclasses.replace(self, radius=radius, norm=norm, euclidean=euclidean)

    @property
    def feature_radii(self) -> dict[str, np.ndarray]:
        """How far each feature of a table alone may move, in its own units, by its name.

            |x'_i - x_i| < r · deviation_i,  all other features as they are,

        r the radius in l2. A perturbation of one entry has that entry's size in every norm, so the
        same numbers hold whatever `in_norm` makes of the others. Empty where radii are not in
        standard deviations, and for sequences and images: their features are channels, of which
        one alone has many entries, and a number for each would bound the norm of its movement.

        Example:
            >>> import keras, numpy as np, lipzoo
            >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Normalization(
            ...     mean=[0.0, 0.0], variance=[1.0, 100.0]), keras.layers.Dense(1)])
            >>> model.layers[1].set_weights([np.ones((2, 1)), np.zeros(1)])
            >>> x = np.array([[1.0, 10.0]])
            >>> radii = lipzoo.certify(model, x, standardized=True, verbose=0).feature_radii
            >>> {name: round(float(radius[0]), 2) for name, radius in radii.items()}
            {'feature 0': 1.41, 'feature 1': 14.14}
        """
        radius = self.radius if self.euclidean is None else self.euclidean
        return feature_radii(radius, self.deviation, self.feature_names, self.input_size)

    def report(self, abstain_below: float = 0.0) -> CertificateReport:
        """What there is to decide about each example: prediction, radius, nearest rival class.

        Args:
            abstain_below: the radius up to which a prediction is not relied on.

        Returns:
            A `CertificateReport`: printed, a table; also as CSV and JSON.

        Raises:
            ValueError: if the radius is no finite number of at least 0.
        """
        return CertificateReport.of(self, abstain_below)

    def plot(self, ax=None):
        """Draws the certified accuracy over epsilon; without labels, the coverage.

        Args:
            ax: Matplotlib axes; `None` for new ones.

        Returns:
            The axes.

        Raises:
            ImportError: if Matplotlib is not installed.
        """
        return presentation.draw(self, ax)

    def show(self, images, n=16, examples=None, columns=gallery.COLUMNS):
        """Draws images with their predictions, certified radii and nearest rivals.

        Above each image stands the class that it was taken for, with the true one where that is
        another, and the radius r, rounded downwards: no perturbation of norm up to r changes the
        prediction. Below stands the class that it is nearest to changing to.

        Args:
            images: those that were certified, in their order: shape `(examples, height, width)`,
                with 1 or 3 channels behind or none. Bytes (uint8) are shown as such, values in
                [0, 1] as they are, others between their least and their largest.
            n: how many images are shown at most, at least 1.
            examples: which ones by their number, `np.argsort(certificate.radius)` for those that
                change most easily; `None` for the first ones.
            columns: how many stand in a row.

        Returns:
            A `matplotlib.figure.Figure`, which a notebook shows; `figure.savefig("radii.png")`
            writes it.

        Raises:
            ImportError: if Matplotlib is not installed.
            ValueError: if these are no images, or not as many as the certificate is of, or n,
                examples or columns are out of range.

        Example:
            >>> import keras, numpy as np, lipzoo
            >>> model = keras.Sequential([
            ...     keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
            >>> images = np.ones((3, 2, 2, 1))
            >>> figure = lipzoo.certify(model, images, verbose=0).show(images, n=2)
            >>> len(figure.axes)
            2
        """
        return gallery.show(self, images, n, examples, columns)

    def __str__(self) -> str:
        return str(presentation.summary(self))

    def _repr_html_(self) -> str:
        return presentation.summary(self).html()

    def _correct(self) -> np.ndarray:
        if self.labels is None:
            raise ValueError("Expected labels: pass y to lipzoo.certify. Received: y=None")
        return self.prediction == self.labels

    def _rate(self, positive, radii, of_positives) -> Any:
        """Sensitivity or specificity, certified at some radii or, for `None`, clean."""
        correct = self._correct()
        members = selective_classification.members(
            self.labels, self.outputs, self.class_names, positive, of_positives
        )
        if radii is None:
            return float(np.mean(correct[members]))
        return selective_classification.share_above(
            self.radius[correct & members], radii, int(members.sum())
        )
