"""From a recipe and its data to a compiled model."""

import difflib
import inspect
from dataclasses import asdict

import keras

from lipzoo import losses, models
from lipzoo.bounds import lipschitz_bound
from lipzoo.metrics import CertifiedAccuracy
from lipzoo.optimizers import StiefelMuon
from lipzoo.training.settings import TrainingSettings


class TrainingError(RuntimeError):
    """A run that cannot start or go on; the message says what to do."""


def build_model(architecture: str, arguments: dict, dtype_policy: str | None = None) -> keras.Model:
    """Builds a model; an argument that the builder refuses becomes a `TrainingError`.

    Args:
        architecture: name of the builder.
        arguments: its arguments.
        dtype_policy: Keras' policy for all layers, by default the global one, which is left as it
            was.
    """
    builder = builder_of(architecture)
    known = [name for name in inspect.signature(builder).parameters if name != "kwargs"]
    for key in arguments:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise TrainingError(f"[model.arguments]: {architecture} has no {key!r}. {advice}")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy or before)
    try:
        return builder(**arguments)
    except (ValueError, TypeError) as error:
        raise TrainingError(f"[model.arguments]: {error}") from error
    finally:
        keras.config.set_dtype_policy(before)


def compile_model(
    model: keras.Model, training: TrainingSettings, steps: int, epsilons: dict[str, float]
) -> None:
    """Compiles a classifier with the recipe's loss, optimizer and schedule.

    Args:
        model: the model.
        training: the recipe's settings.
        steps: steps of an epoch.
        epsilons: radii at which certified accuracy is watched, by name; the model's bound before
            the head must be one that training keeps.
    """
    names = {
        "offset_cross_entropy": losses.OffsetCrossEntropy,
        "multi_class_hinge": losses.MultiClassHinge,
    }
    compile_with(
        model,
        training,
        steps,
        names[training.loss.name](**training.loss.arguments()),
        [keras.metrics.SparseCategoricalAccuracy(name="accuracy"), *_watched(model, epsilons)],
    )


def compile_with(model: keras.Model, training: TrainingSettings, steps: int, loss, metrics) -> None:
    """Compiles with the recipe's optimizer and schedule, and builds the optimizer.

    Raises:
        TrainingError: if the optimizer is not for such a model.
    """
    optimizer = _optimizer(training, schedule(training, steps))
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=metrics,
        jit_compile=_jit_compile(training.jit_compile),
    )
    try:
        optimizer.build(model.trainable_variables)
    except ValueError as error:
        raise TrainingError(f"[training] optimizer: {error}") from error


def _optimizer(training: TrainingSettings, learning_rate) -> keras.optimizers.Optimizer:
    average = {"use_ema": training.ema > 0, "ema_momentum": training.ema or 0.99}
    if training.optimizer == "stiefel_muon":
        return StiefelMuon(
            learning_rate,
            adam_weight_decay=training.weight_decay,
            **asdict(training.stiefel_muon),
            **average,
        )
    decay = training.weight_decay or None
    config = {"learning_rate": learning_rate, "weight_decay": decay, **average}
    return keras.optimizers.get({"class_name": training.optimizer, "config": config})


def _watched(model, epsilons):
    if not epsilons:
        return
    bound, head = lipschitz_bound(model), model.layers[-1]
    features = bound.head.features if bound.head is not None and hasattr(head, "kernel") else None
    for name, radius in epsilons.items():
        yield CertifiedAccuracy(
            radius,
            lipschitz=bound.value if features is None else features.bound.value,
            head=None if features is None else head,
            name=f"certified_{name.replace('/', '_')}",
        )


def schedule(training: TrainingSettings, steps: int):
    """The learning rate as a function of the step: one cycle, or two where the recipe restarts."""
    first = _cycle(training, training.learning_rate, training.epochs * steps, steps)
    restart = training.restart
    if not restart.epochs:
        return first
    second = _cycle(training, restart.learning_rate, restart.epochs * steps, steps)
    return _TwoCycles(first, second, training.epochs * steps)


class _TwoCycles(keras.optimizers.schedules.LearningRateSchedule):
    """`first` before the step `start`, and `second` from there on."""

    def __init__(self, first, second, start):
        self.first, self.second, self.start = first, second, start

    def __call__(self, step):
        later = keras.ops.maximum(step - self.start, 0)
        return keras.ops.where(step < self.start, self.first(step), self.second(later))


def _cycle(training: TrainingSettings, rate: float, length: int, steps: int):
    """Linear warm-up over `warmup_epochs`, then a cosine down to the final learning rate."""
    warmup = round(training.warmup_epochs * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=rate / max(warmup, 1) if warmup else rate,
        decay_steps=max(1, length - warmup),
        alpha=training.final_learning_rate,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )


def builder_of(architecture: str):
    """The builder that a recipe names; any other name is a `TrainingError`."""
    if architecture not in models.ARCHITECTURES:
        known = ", ".join(sorted(models.ARCHITECTURES))
        raise TrainingError(
            f"[model] architecture: expected one of {known}. Received: {architecture!r}"
        )
    return models.ARCHITECTURES[architecture]


def _jit_compile(setting: str | bool) -> str | bool:
    """XLA costs 10 to 15 % for these networks on TensorFlow without a GPU, and has no replicas."""
    if setting == "auto" and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU")) and not tf.distribute.has_strategy()
    return setting


def check_jit_compile(setting: str | bool, devices: int) -> None:
    """Refuses, before any work, what TensorFlow refuses in the first step.

    Raises:
        TrainingError: if a step on several devices is to be compiled by XLA there.
    """
    if setting is True and devices > 1 and keras.backend.backend() == "tensorflow":
        raise TrainingError(
            'training.jit_compile: expected "auto" or false on several devices of TensorFlow. '
            f"Received: true, devices={devices}"
        )
