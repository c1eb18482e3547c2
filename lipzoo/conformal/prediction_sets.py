"""What `ConformalClassifier.predict_set` returns."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lipzoo.certificates.inputs import check_labels


@dataclass(frozen=True, eq=False)
class PredictionSets:
    """A set of classes for every input.

    Attributes:
        members: whether a class is in the set of an input; shape `(examples, classes)`.
        prediction: the predicted class of every input.
        epsilon: ε per example, the l2 norm of perturbations that the guarantee is about.
        guaranteed_coverage: `1 - α`, the least probability with which a set contains the true class
            of the input before it was perturbed. It is proven, whereas `empirical_coverage` is
            measured; `lipzoo.Certificate.coverage` is another thing, the share of predictions that
            somebody who abstains keeps.
        class_conditional: whether that holds for each class alone.
        class_names: names of the classes, empty where the model has none.
        units: units of ε, empty where the model states none.

    Example:
        >>> sets = PredictionSets(
        ...     np.array([[True, True], [False, True]]), np.array([0, 1]), np.zeros(2), 0.9
        ... )
        >>> sets.size.tolist(), sets.empirical_coverage([0, 0])
        ([2, 1], 0.5)
    """

    members: np.ndarray
    prediction: np.ndarray
    epsilon: np.ndarray = field(repr=False)
    guaranteed_coverage: float
    class_conditional: bool = False
    class_names: tuple[str, ...] = ()
    units: str = ""

    def __len__(self) -> int:
        return len(self.members)

    @property
    def size(self) -> np.ndarray:
        """Number of classes in every set; 0 for an input that is unlike all calibration data."""
        return self.members.sum(axis=1)

    def classes(self) -> list[list]:
        """The classes of every set, by name where the model has names, in order of their number.

        Example:
            >>> sets = PredictionSets(np.array([[True, False, True]]), np.array([0]), [0.0], 0.9)
            >>> sets.classes()
            [[0, 2]]
        """
        names = self.class_names or range(self.members.shape[1])
        return [[names[int(j)] for j in np.flatnonzero(row)] for row in self.members]

    def contains(self, y: npt.ArrayLike) -> np.ndarray:
        """Whether sets contain some classes.

        Args:
            y: one class per example, as integers or one-hot.

        Returns:
            Booleans of shape `(examples,)`.

        Raises:
            TypeError, ValueError: if y is no array of classes.
        """
        labels = check_labels(y, len(self), self.members.shape[1])
        return self.members[np.arange(len(self)), labels]

    def empirical_coverage(self, y: npt.ArrayLike) -> float:
        """Share of sets that contain the true class, measured; see `contains`."""
        return float(np.mean(self.contains(y)))

    def __str__(self) -> str:
        """Sizes of the sets, and what is guaranteed of them."""
        whom = "the true class"
        if self.class_conditional:
            whom += ", whichever it is,"
        counts = np.bincount(self.size, minlength=self.members.shape[1] + 1)
        sizes = ", ".join(
            f"{size}: {count:,}" for size, count in enumerate(counts) if count or size == 1
        )
        return (
            f"{len(self):,} sets, guaranteed to contain {whom} with probability at least "
            f"{100 * self.guaranteed_coverage:g} % while {moving(self.epsilon, self.units)}\n"
            f"size: {float(self.size.mean()):.2f} classes on average ({sizes})"
        )


def moving(epsilon: np.ndarray, units: str) -> str:
    """How far inputs may move, for printing: by one ε, or by one of their own each.

    Example:
        >>> print(moving(np.array([0.0, 0.5]), "pixels"))
        each input moves by its own ε, 0 to 0.5 in pixels (l2)
    """
    low, high = float(np.min(epsilon, initial=np.inf)), float(np.max(epsilon, initial=0.0))
    units = f" in {units}" if units else ""
    if low < high:
        return f"each input moves by its own ε, {low:.4g} to {high:.4g}{units} (l2)"
    return f"the input moves by at most {high:.4g}{units} (l2)"
