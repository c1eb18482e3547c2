"""Attacks of foolbox (arXiv 1707.04131), on TensorFlow and JAX."""

import importlib.util
import logging
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from lipzoo.evaluation.attacks.base import Attack, Target, nearest_of_other_classes
from lipzoo.evaluation.attacks.settings import check_counts, global_seed, missing


class _FoolboxAttack(Attack):
    """Hands batches to an attack of foolbox."""

    def _counts(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _attack(self, foolbox) -> Any:
        raise NotImplementedError

    def check(self, target: Target) -> None:
        if importlib.util.find_spec("foolbox") is None:
            raise missing(self, "foolbox", "attacks")
        backend = keras.backend.backend()
        if backend not in ("tensorflow", "jax"):
            raise ValueError(
                f"Attack {self.name!r}: expected the backend tensorflow or jax. "
                f"Received: backend={backend}"
            )
        check_counts(self, *self._counts())

    def prepare(self, target: Target):
        foolbox = import_foolbox()
        attacked = foolbox_model(foolbox, target)

        def run(x, y, epsilon, random, restart):
            with global_seed(random):
                inputs, labels = map(ops.convert_to_tensor, (x.astype("float32"), y))
                found = self._run(foolbox, attacked, inputs, labels, epsilon)
            return ops.convert_to_numpy(found)

        return run

    def _run(self, foolbox, model, x, y, epsilon):
        return self._attack(foolbox).run(model, x, foolbox.criteria.Misclassification(y))


@dataclass(frozen=True)
class FoolboxProjectedGradient(_FoolboxAttack):
    """Projected gradient ascent on the cross-entropy, from random points of the ball.

    Args:
        steps: gradient steps per run.
        restarts: runs per example.
    """

    steps: int = 100
    restarts: int = 3
    name: ClassVar[str] = "foolbox-pgd"

    def _counts(self):
        return "steps", "restarts"

    def _run(self, foolbox, model, x, y, epsilon):
        attack = foolbox.attacks.L2ProjectedGradientDescentAttack(
            steps=self.steps, rel_stepsize=max(2.5 / self.steps, 0.025)
        )
        return attack.run(model, x, foolbox.criteria.Misclassification(y), epsilon=epsilon)

    def __str__(self) -> str:
        return f"foolbox-pgd ({self.steps} steps, {self.restarts} runs)"


@dataclass(frozen=True)
class DeepFool(_FoolboxAttack):
    """Steps to the nearest boundary of the linearised network (arXiv 1511.04599).

    Args:
        steps: linearisations.
    """

    steps: int = 50
    name: ClassVar[str] = "deepfool"
    minimises: ClassVar[bool] = True

    def _counts(self):
        return ("steps",)

    def _attack(self, foolbox):
        return foolbox.attacks.L2DeepFoolAttack(steps=self.steps)

    def __str__(self) -> str:
        return f"deepfool ({self.steps} steps)"


@dataclass(frozen=True)
class CarliniWagner(_FoolboxAttack):
    """Trades distance against margin by Adam in transformed coordinates (arXiv 1608.04644).

    Args:
        steps: steps of each optimisation.
        searches: optimisations, a bisection for the weight of the margin.
        step_size: learning rate.
    """

    steps: int = 200
    searches: int = 6
    step_size: float = 0.1
    name: ClassVar[str] = "carlini-wagner"
    minimises: ClassVar[bool] = True

    def _counts(self):
        return "steps", "searches"

    def _attack(self, foolbox):
        return foolbox.attacks.L2CarliniWagnerAttack(
            binary_search_steps=self.searches,
            steps=self.steps,
            stepsize=self.step_size,
            initial_const=1.0,
        )

    def __str__(self) -> str:
        return f"carlini-wagner ({self.searches} searches of {self.steps} steps)"


@dataclass(frozen=True)
class Boundary(_FoolboxAttack):
    """A random walk along the decision boundary, towards the example (arXiv 1712.04248).

    It sees decisions only, no gradients and no logits, so it is not deceived by gradients that are
    masked. It starts where the segment to the nearest differently classified example crosses the
    boundary.

    Args:
        steps: steps of the walk.
    """

    steps: int = 1000
    name: ClassVar[str] = "boundary"
    minimises: ClassVar[bool] = True

    def _counts(self):
        return ("steps",)

    def prepare(self, target: Target):
        foolbox = import_foolbox()
        attacked = foolbox_model(foolbox, target)
        attacks: Any = foolbox.attacks
        attack = attacks.BoundaryAttack(steps=self.steps, tensorboard=False)

        def run(x, y, epsilon, random, restart):
            found, started = nearest_of_other_classes(target, x, y)
            # foolbox evaluates the points by itself, on other batches: some may be on the edge.
            logits = ops.convert_to_numpy(attacked(ops.convert_to_tensor(found)))
            started &= logits.argmax(axis=1) != y
            if not started.any():
                return found
            own, labels, start = (
                ops.convert_to_tensor(array[started])
                for array in (x.astype("float32"), y, found.astype("float32"))
            )
            criterion = foolbox.criteria.Misclassification(labels)
            with global_seed(random):
                walked = attack.run(attacked, own, criterion, starting_points=start)
            found[started] = ops.convert_to_numpy(walked)
            return found

        return run

    def __str__(self) -> str:
        return f"boundary ({self.steps:,} steps, no gradients)"


def import_foolbox():
    """Imports foolbox without the warnings of its use of SciPy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import foolbox
    return foolbox


def foolbox_model(foolbox, target: Target):
    """The target as foolbox takes it, compiled: uncompiled Keras layers cost more than they do."""
    if keras.backend.backend() == "jax":
        import jax

        return foolbox.JAXModel(jax.jit(target.logits), bounds=target.bounds())
    import tensorflow as tf

    compiled = tf.function(target.logits, reduce_retracing=True, autograph=False)
    logger = logging.getLogger("tensorflow")
    level = logger.level
    # foolbox asks for GPUs in a deprecated way, of which TensorFlow warns.
    logger.setLevel(logging.ERROR)
    try:
        return foolbox.TensorFlowModel(compiled, bounds=target.bounds())
    finally:
        logger.setLevel(level)
