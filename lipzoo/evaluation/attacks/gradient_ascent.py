"""lipzoo's own attack: projected gradient ascent on the margin."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lipzoo.evaluation.attacks.base import Attack, Target
from lipzoo.evaluation.attacks.settings import check_counts
from lipzoo.evaluation.margins import margin_loss_and_gradient
from lipzoo.evaluation.pgd import ascend, start_offset, step_rates


@dataclass(frozen=True)
class ProjectedGradient(Attack):
    """`lipzoo.evaluation.pgd_attack`; an example takes no further step once its label is lost.

    Args:
        steps: gradient steps per run.
        restarts: runs per example, the first from the example itself.
        step_size: as in `pgd_attack`.
    """

    steps: int = 100
    restarts: int = 5
    step_size: float | None = None
    name: ClassVar[str] = "pgd"

    def check(self, target: Target) -> None:
        check_counts(self, "steps", "restarts")
        step_rates(self.steps, self.step_size)

    def prepare(self, target: Target):
        loss = margin_loss_and_gradient(target.model)
        rates = step_rates(self.steps, self.step_size)

        def run(x, y, epsilon, random, restart):
            radii = np.full(len(x), epsilon)
            start = start_offset(x, radii, random, restart)
            labels = y.astype("int32")
            return ascend(loss, x, labels, radii, rates, start, target.clip, stop=True)[0]

        return run

    def __str__(self) -> str:
        return f"pgd ({self.steps} steps, {self.restarts} runs)"
