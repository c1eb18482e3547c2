"""What `evaluate_robustness` returns: clean, certified and attacked accuracy over ε."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lipzoo.bounds.model_bound import LipschitzBound
from lipzoo.plotting import ATTACKED, axes_or_new, draw_certified, legend
from lipzoo_catalogue.formatting import format_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class CertificateViolation(RuntimeError):
    """An adversarial input within a certified radius: a bug, of lipzoo or of the arithmetic.

    Attributes:
        robustness: the whole `Robustness`, with the inputs.
    """

    def __init__(self, message: str, robustness: "Robustness"):
        super().__init__(message)
        self.robustness = robustness


@dataclass(frozen=True, eq=False)
class Robustness:
    """Clean, certified and attacked accuracy on the same examples, over a grid of ε.

        certified(ε) = share of the examples with prediction = label and radius > ε
        attacked(ε)  = share of the examples with prediction = label and distance > ε

    The accuracy under the strongest perturbations of norm at most ε is between the two. The first
    is proven; the second is what the attacks left standing, an upper estimate.

    Attributes:
        epsilons: the radii by the names they were given by, increasing; l2, in units of the input.
        index: which of the examples that were passed these are, shape `(examples,)`.
        total: number of examples that were passed.
        seed: seed of the sample and the attacks.
        labels, prediction: true and predicted classes.
        radius: certified radius of each prediction.
        distance: l2 distance, rounded up in float64, of the nearest input found at which the label
            is lost; 0 where it is misclassified as it is, infinite where none was found.
        inputs: these inputs, or the example itself.
        found_by: name of the attack that found each, empty where none did.
        attacks: the attacks in words.
        bound: the `LipschitzBound` that the radii rest on.
    """

    epsilons: dict[str, float]
    index: np.ndarray
    total: int
    seed: int
    labels: np.ndarray
    prediction: np.ndarray
    radius: np.ndarray
    distance: np.ndarray
    inputs: np.ndarray = field(repr=False)
    found_by: np.ndarray
    attacks: tuple[str, ...]
    bound: LipschitzBound = field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> np.ndarray:
        """Which examples are classified correctly as they are."""
        return self.prediction == self.labels

    @property
    def clean(self) -> float:
        """Share of the examples that are classified correctly as they are."""
        return float(np.mean(self.correct))

    @property
    def certified(self) -> np.ndarray:
        """Certified accuracy at each ε."""
        return self._shares(self.radius)

    @property
    def attacked(self) -> np.ndarray:
        """Accuracy under all attacks taken together at each ε, an upper estimate."""
        return self._shares(self.distance)

    @property
    def violations(self) -> np.ndarray:
        """Indices, among all examples passed, with an adversarial input within their radius.

        Where there is none, certified <= attacked <= clean holds at every ε for every example.
        """
        return self.index[self.correct & (self.distance < self.radius)]

    def _shares(self, reach):
        epsilons = np.array(list(self.epsilons.values()))
        standing = self.correct[:, None] & (reach[:, None] > epsilons[None])
        return standing.mean(axis=0)

    def to_dict(self) -> dict[str, Any]:
        """The accuracies as JSON values."""
        by_name = [
            dict(zip(self.epsilons, map(float, s), strict=True))
            for s in (self.certified, self.attacked)
        ]
        return {
            "examples": len(self),
            "of": self.total,
            "seed": self.seed,
            "clean": self.clean,
            "certified": by_name[0],
            "attacked": by_name[1],
            "attacks": list(self.attacks),
            "found_by": self._counts(),
            "violations": self.violations.tolist(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row per example, as JSON values; no distance where no attack succeeded."""
        return [
            {
                "example": int(self.index[i]),
                "label": int(self.labels[i]),
                "prediction": int(self.prediction[i]),
                "radius": float(self.radius[i]) if np.isfinite(self.radius[i]) else None,
                "distance": float(self.distance[i]) if np.isfinite(self.distance[i]) else None,
                "found_by": str(self.found_by[i]),
            }
            for i in range(len(self))
        ]

    def __str__(self) -> str:
        count = f"{len(self):,} example" + ("s" if len(self) != 1 else "")
        if len(self) < self.total:
            count += f" of {self.total:,} (every class its share, seed {self.seed})"
        lines = [
            f"Robustness of model '{self.bound.name}', Lipschitz bound "
            f"{format_up(self.bound.value)}, at {count}",
            f"{'epsilon':>12}{'certified':>13}{'attacked':>13}",
            f"{'clean':>12}{'':>13}{100 * self.clean:>11.2f} %",
        ]
        for name, *shares in zip(self.epsilons, self.certified, self.attacked, strict=True):
            lines.append(f"{name:>12}" + "".join(f"{100 * share:>11.2f} %" for share in shares))
        found = ", ".join(f"{name} {number:,}" for name, number in self._counts().items())
        lines.append(f"attacks: {', '.join(self.attacks)}")
        lines.append(f"nearest adversarial inputs found by: {found or 'none'}")
        broken = self.violations
        if len(broken):
            lines.append(f"CERTIFICATES REFUTED at examples {', '.join(map(str, broken))}")
        else:
            lines.append("certified <= attacked <= clean: at every example and every epsilon")
            lines.append(
                "(an example is attacked at the epsilons that its certificate leaves open)"
            )
        return "\n".join(lines)

    def _counts(self):
        names, counts = np.unique(self.found_by[self.found_by != ""], return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the accuracies over ε: proven below, refuted above, open in between.

        Args:
            ax: Matplotlib axes; `None` for new ones.

        Returns:
            The axes.

        Raises:
            ImportError: if Matplotlib is not installed.
        """
        ax = axes_or_new(ax, "Robustness.plot")
        end = 1.05 * max(*self.epsilons.values(), 1e-6)
        grid = np.linspace(0, end, 400)
        curve = [np.mean(self.correct & (self.radius > epsilon)) for epsilon in grid]
        draw_certified(ax, grid, curve, clean=self.clean)
        attacked = [100 * self.clean, *(100 * self.attacked)]
        ax.plot(
            [0, *self.epsilons.values()],
            attacked,
            "D",
            color=ATTACKED,
            markersize=4.5,
            label="under attack: not refuted",
        )
        ax.set_xlim(0, end)
        legend(ax)
        return ax
