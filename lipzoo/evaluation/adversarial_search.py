"""The search for adversarial inputs: who is attacked at which radius, and what counts as found."""

import numpy as np

from lipzoo.evaluation.attacks.base import Attack, Target, inner_radius, lengths
from lipzoo.evaluation.balls import difference, into_ball
from lipzoo_catalogue.progress import Progress


class Search:
    """The nearest adversarial input of each example that any attack has found.

    An example that is misclassified as it is counts as broken at distance 0. An input counts if it
    is finite and in the box, and if its label is lost (a tie included) in the model's own
    prediction; its distance is recomputed in float64 and rounded up.

    Args:
        target: model and examples.
        labels: their labels.
        radius: up to which each example needs no attack.
        seed: seed of all attacks.
        shows: whether to report progress on stderr; `"auto"` does on a terminal.

    Attributes:
        distance: upper bound of the l2 distance of the nearest one, infinite where none was found.
        inputs: these inputs; the example itself where none was found.
        found_by: names of the attacks that found them; empty where none did.
    """

    def __init__(self, target: Target, labels, radius, seed: int, shows: int | str):
        self.target, self.labels, self.radius, self.seed = target, labels, radius, seed
        self.progress = Progress(shows)
        lost = target.margins(target.x, labels) <= 0
        self.distance = np.where(lost, 0.0, np.inf)
        self.inputs = target.x.copy()
        self.found_by = np.full(len(labels), "", dtype=object)

    def open_at(self, epsilon: float) -> np.ndarray:
        """Indices of the examples whose fate at a radius is neither proven nor known."""
        return np.flatnonzero((self.radius <= epsilon) & (self.distance > epsilon))

    def run(self, number: int, attack: Attack, epsilons) -> None:
        """Runs one attack at every radius at which it can still find something.

        Args:
            number: place of the attack among all, for its random numbers.
            attack: the attack.
            epsilons: increasing radii.
        """
        search = attack.prepare(self.target)
        if attack.minimises:
            self._stage(number, attack, search, epsilons, len(epsilons) - 1)
            return
        for place in range(len(epsilons)):
            self._stage(number, attack, search, epsilons[place : place + 1], place)

    def _stage(self, number, attack, search, epsilons, place):
        for restart in range(attack.restarts):
            chosen = np.unique(np.concatenate([self.open_at(epsilon) for epsilon in epsilons]))
            if not len(chosen):
                return
            random = np.random.default_rng((self.seed, number, place, restart))
            where = "" if attack.minimises else f" at {epsilons[-1]:.4g}"
            run = f", run {restart + 1} of {attack.restarts}" if attack.restarts > 1 else ""
            self.progress.begin(f"{attack.name}{where}{run}", len(chosen))
            for first in range(0, len(chosen), self.target.batch_size):
                part = chosen[first : first + self.target.batch_size]
                x, y = self.target.x[part], self.labels[part]
                inputs = np.asarray(search(x, y, float(epsilons[-1]), random, restart))
                if not attack.minimises:
                    inputs = self._within(inputs, x, epsilons[-1])
                self.offer(part, inputs, attack.name)
                self.progress.advance(len(part))
            self.progress.end()

    def _within(self, inputs, x, epsilon):
        """Inputs moved into a ball so small that the bounds of their distances are at most ε."""
        if inputs.shape != x.shape:
            return inputs
        offset = difference(np.where(np.isfinite(inputs), inputs, x), x)
        radius = np.full(len(x), inner_radius(epsilon, x[0].size))
        return into_ball(x, offset, radius, self.target.clip)[0]

    def offer(self, chosen: np.ndarray, inputs: np.ndarray, by: str) -> None:
        """Keeps those inputs that are adversarial and nearer than what was known.

        Args:
            chosen: indices of some examples.
            inputs: an input for each.
            by: name of the attack.

        Raises:
            ValueError: if the inputs have another shape than the examples.
        """
        x = self.target.x[chosen]
        inputs = np.asarray(inputs).astype(x.dtype)
        if inputs.shape != x.shape:
            raise ValueError(
                f"Expected inputs of shape {x.shape} from attack {by!r}. "
                f"Received: shape={inputs.shape}"
            )
        axes = tuple(range(1, x.ndim))
        usable = np.isfinite(inputs).all(axis=axes)
        if self.target.clip is not None:
            low, high = self.target.clip
            usable &= ((inputs >= low) & (inputs <= high)).all(axis=axes)
        distance = lengths(np.where(np.isfinite(inputs), inputs, 0), x)
        usable &= distance < self.distance[chosen]
        chosen, inputs, distance = chosen[usable], inputs[usable], distance[usable]
        if not len(chosen):
            return
        lost = self.target.margins(inputs, self.labels[chosen]) <= 0
        chosen = chosen[lost]
        self.distance[chosen] = distance[lost]
        self.inputs[chosen] = inputs[lost]
        self.found_by[chosen] = by
