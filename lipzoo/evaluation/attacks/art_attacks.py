"""Attacks of the Adversarial Robustness Toolbox (arXiv 1807.01069), on TensorFlow."""

import importlib.util
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from lipzoo.evaluation.attacks.base import Attack, Target
from lipzoo.evaluation.attacks.settings import check_counts, global_seed, missing


class _ToolboxAttack(Attack):
    """Hands batches to an attack of the toolbox."""

    def _attack(self, evasion, classifier, epsilon, examples, restart) -> Any:
        raise NotImplementedError

    def check(self, target: Target) -> None:
        if not _is_installed():
            raise missing(self, "the Adversarial Robustness Toolbox", "art")
        backend = keras.backend.backend()
        if backend != "tensorflow":
            raise ValueError(
                f"Attack {self.name!r}: expected the backend tensorflow. "
                f"Received: backend={backend}"
            )
        check_counts(self, "steps", "restarts")

    def prepare(self, target: Target):
        import tensorflow as tf

        with warnings.catch_warnings():
            # It says which of its optional parts are not there.
            warnings.simplefilter("ignore")
            from art.attacks import evasion
            from art.estimators.classification import TensorFlowV2Classifier

        compiled = tf.function(target.logits, reduce_retracing=True, autograph=False)
        classifier = TensorFlowV2Classifier(
            model=lambda inputs, training=False: compiled(inputs),
            nb_classes=target.classes,
            input_shape=target.x.shape[1:],
            loss_object=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            clip_values=target.bounds(),
        )

        def run(x, y, epsilon, random, restart):
            with global_seed(random), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                attack = self._attack(evasion, classifier, epsilon, len(x), restart)
                return attack.generate(x.astype("float32"), y)

        return run


def _is_installed() -> bool:
    """Whether the toolbox is there, and not another package or a folder called `art`."""
    if importlib.util.find_spec("art") is None:
        return False
    return importlib.util.find_spec("art.attacks") is not None


@dataclass(frozen=True)
class AutoProjectedGradient(_ToolboxAttack):
    """Gradient ascent whose step adapts itself (APGD, arXiv 2003.01690).

    Every second run ascends the difference-of-logits ratio instead of the cross-entropy, where
    there are the three classes that it takes.

    Args:
        steps: gradient steps per run.
        restarts: runs per example.
    """

    steps: int = 100
    restarts: int = 2
    name: ClassVar[str] = "auto-pgd"

    def _attack(self, evasion, classifier, epsilon, count, restart):
        ratio = restart % 2 and classifier.nb_classes > 2
        return evasion.AutoProjectedGradientDescent(
            classifier,
            norm=2,
            eps=epsilon,
            eps_step=2 * epsilon,
            max_iter=self.steps,
            nb_random_init=1,
            loss_type="difference_logits_ratio" if ratio else "cross_entropy",
            batch_size=count,
            verbose=False,
        )

    def __str__(self) -> str:
        return f"auto-pgd ({self.steps} steps, {self.restarts} runs)"


@dataclass(frozen=True)
class Square(_ToolboxAttack):
    """Random squares that lower the margin, a search without gradients (arXiv 1912.00049).

    Args:
        steps: squares tried.
        restarts: runs per example.
    """

    steps: int = 500
    restarts: int = 1
    name: ClassVar[str] = "square"

    def check(self, target: Target) -> None:
        super().check(target)
        if target.x.ndim != 4:
            raise ValueError(
                "Attack 'square': expected images of shape (examples, height, width, channels). "
                f"Received: x.shape={target.x.shape}"
            )

    def _attack(self, evasion, classifier, epsilon, count, restart):
        return evasion.SquareAttack(
            classifier,
            norm=2,
            eps=epsilon,
            max_iter=self.steps,
            nb_restarts=1,
            batch_size=count,
            verbose=False,
        )

    def __str__(self) -> str:
        return f"square ({self.steps:,} squares, {self.restarts} runs, no gradients)"
