"""Settings of a recipe: one frozen dataclass per TOML table, each checking its own ranges."""

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from lipzoo.optimizers.newton_schulz import MAX_STEPS
from lipzoo.training.adversary import AdversarySettings
from lipzoo_catalogue.formatting import parse_fraction


@dataclass(frozen=True)
class ModelSettings:
    """The architecture's name and its arguments.

    Args:
        architecture: a name of `lipzoo.models.ARCHITECTURES`.
        start: trained model whose weights the training starts from: a name of the zoo, the path of
            a folder, or `"hf://owner/repo"`. Its weights must fit by name and shape; a head for
            another number of classes is left fresh. Empty: random weights.
        arguments: those of the builder. `input_shape` and `num_classes` are left out: they follow
            from the data.
    """

    architecture: str
    start: str = ""
    arguments: dict = field(default_factory=dict)

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        for key in ("input_shape", "num_classes"):
            if key in self.arguments:
                expected = "no such key: it is inferred from the data"
                yield f"arguments.{key}", expected, self.arguments[key]


@dataclass(frozen=True)
class MeasurementSettings:
    """How measurements are made of the data's images, for recipes of reconstructions.

    The operator is the model's, `[model.arguments] operator`; labels are not used.

    Args:
        noise: standard deviation of the normal noise that is added, relative to the root mean
            square of the noiseless measurements of the training split. 0 with no such table: the
            recipe trains a classifier.
        examples: largest number of test examples that are reported on, the first ones.
    """

    noise: float = 0.0
    examples: int = 1000

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        if not (math.isfinite(self.noise) and self.noise >= 0):
            yield "noise", "a finite number, at least 0", self.noise
        if self.examples < 1:
            yield "examples", "a whole number, at least 1", self.examples


@dataclass(frozen=True)
class LossSettings:
    """A loss of `lipzoo.losses` by name; the other keys of the table are its arguments."""

    name: Literal["offset_cross_entropy", "multi_class_hinge", "mean_squared_error"] = (
        "offset_cross_entropy"
    )
    epsilon: float | None = None
    temperature: float | None = None
    margin: float | None = None

    def arguments(self) -> dict:
        """The arguments that the recipe sets."""
        keys = ("epsilon", "temperature", "margin")
        return {k: getattr(self, k) for k in keys if getattr(self, k) is not None}

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        known = {
            "offset_cross_entropy": {"epsilon", "temperature"},
            "multi_class_hinge": {"margin"},
            "mean_squared_error": set(),
        }
        for key, value in self.arguments().items():
            if key not in known[self.name]:
                yield key, f"no such key for loss {self.name!r}", value
            elif not (math.isfinite(value) and (value > 0 or (key == "epsilon" and value == 0))):
                yield key, "a finite positive number", value


@dataclass(frozen=True)
class AugmentSettings:
    """Random changes of the training examples; all of them keep pixels in [0, 1].

    Args:
        flip: mirror half of the images left to right.
        shift: move each example by up to so many pixels (or time steps) along each axis; what
            enters is zero.
    """

    flip: bool = False
    shift: int = 0

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        if self.shift < 0:
            yield "shift", "a whole number, at least 0", self.shift


@dataclass(frozen=True)
class RestartSettings:
    """A second, shorter cycle of the learning rate after the first (arXiv 1608.03983).

    Args:
        epochs: its length; 0 is none.
        learning_rate: its highest rate.
        augment: random changes of the training examples in this cycle, milder ones for instance.
    """

    epochs: int = 0
    learning_rate: float = 1e-3
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        if self.epochs < 0:
            yield "epochs", "a whole number, at least 0", self.epochs
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            yield "learning_rate", "a finite positive number", self.learning_rate


@dataclass(frozen=True)
class StiefelMuonSettings:
    """Arguments of `lipzoo.optimizers.StiefelMuon`, for `optimizer = "stiefel_muon"`; see there."""

    momentum: float = 0.95
    newton_schulz_steps: int = 3
    adam_lr_ratio: float = 0.3

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        if not 0 <= self.momentum < 1:
            yield "momentum", "a number from 0 to below 1", self.momentum
        if not 1 <= self.newton_schulz_steps <= MAX_STEPS:
            expected = f"a whole number from 1 to {MAX_STEPS}"
            yield "newton_schulz_steps", expected, self.newton_schulz_steps
        if not (math.isfinite(self.adam_lr_ratio) and self.adam_lr_ratio > 0):
            yield "adam_lr_ratio", "a finite positive number", self.adam_lr_ratio


@dataclass(frozen=True)
class TrainingSettings:
    """Optimiser and schedule: linear warm-up, then a cosine to the final learning rate.

    Args:
        epochs: passes over the training split, those of the restart not counted.
        batch_size: examples per step; a last incomplete batch of an epoch is left out.
        learning_rate: the rate at the end of the warm-up.
        final_learning_rate: the last rate, as a fraction of `learning_rate`.
        warmup_epochs: length of the warm-up, in epochs.
        optimizer: name of a Keras optimizer, or `"stiefel_muon"` for networks of lipzoo's layers
            with orthonormal kernels. The learning rate of the latter is the length of a step.
        weight_decay: decoupled weight decay; of `"stiefel_muon"`, of what is not orthonormal.
        stiefel_muon: the other arguments of that optimizer.
        class_weight: `"balanced"` weights the loss of each example by `n / (k n_c)`, for n training
            examples of k classes, n_c of them in the example's class, so that every class counts
            the same.
        ema: decay of the running average of the weights; 0 is no averaging. The average is
            projected by the layers' constraints before it is used.
        devices: on how many devices each step is taken, every one on its share of the batch. The
            weights do not depend on it, up to rounding.
        jit_compile: `"auto"` compiles where it pays: not on TensorFlow without a GPU.
        dtype_policy: `"mixed_bfloat16"` computes the steps in bfloat16, with weights, optimizer and
            constraints in float32. The trained weights are then put into the network in float32,
            of which alone bounds and accuracies are reported. It is faster where the processor
            multiplies matrices of bfloat16, and slower elsewhere.
        weights_dtype: `"float16"` rounds the trained weights to half precision, for a file of half
            the size; what is reported is measured after that.
        loss: the loss and its arguments.
        augment: random changes of the training examples.
        restart: a second cycle with the same warm-up and the same relative final learning rate.
        adversary: perturbations at which the steps are taken.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float = 0.01
    warmup_epochs: int | float = 1
    optimizer: Literal["adam", "adamw", "nadam", "sgd", "rmsprop", "lion", "stiefel_muon"] = "adam"
    weight_decay: float = 0.0
    class_weight: Literal["none", "balanced"] = "none"
    ema: float = 0.0
    devices: int = 1
    jit_compile: Literal["auto", True, False] = "auto"
    dtype_policy: Literal["float32", "mixed_bfloat16"] = "float32"
    weights_dtype: Literal["float32", "float16"] = "float32"
    loss: LossSettings = field(default_factory=LossSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    restart: RestartSettings = field(default_factory=RestartSettings)
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    stiefel_muon: StiefelMuonSettings = field(default_factory=StiefelMuonSettings)

    @property
    def total_epochs(self) -> int:
        """Epochs of both cycles."""
        return self.epochs + self.restart.epochs

    def augment_at(self, epoch: int) -> AugmentSettings:
        """The random changes in an epoch, counted from 0."""
        return self.augment if epoch < self.epochs else self.restart.augment

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        for key in ("epochs", "batch_size", "devices"):
            if getattr(self, key) < 1:
                yield key, "a whole number, at least 1", getattr(self, key)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            yield "learning_rate", "a finite positive number", self.learning_rate
        if not 0 <= self.final_learning_rate <= 1:
            yield "final_learning_rate", "a fraction from 0 to 1", self.final_learning_rate
        if not 0 <= self.warmup_epochs <= min(self.epochs, self.restart.epochs or self.epochs):
            expected = "a number from 0 to `epochs`, of both cycles if there are two"
            yield "warmup_epochs", expected, self.warmup_epochs
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            yield "weight_decay", "a finite non-negative number", self.weight_decay
        if not 0 <= self.ema < 1:
            yield "ema", "a decay from 0 to below 1", self.ema
        if self.optimizer != "stiefel_muon" and self.stiefel_muon != StiefelMuonSettings():
            yield "stiefel_muon", 'no such table without `optimizer = "stiefel_muon"`', "one"
        elif self.optimizer == "stiefel_muon" and self.weight_decay >= 1:
            yield "weight_decay", "a number below 1 for stiefel_muon", self.weight_decay


@dataclass(frozen=True)
class EvaluationSettings:
    """The radii at which certified accuracy is reported, as numbers or as `"36/255"`.

    Args:
        epsilons: the radii of the final tables.
        watch: those of them that are shown during training, for architectures whose Lipschitz bound
            training cannot raise.
        positive: name of the positive class of two; sensitivity and specificity, clean and
            certified, are then reported too.
    """

    epsilons: tuple[str | float, ...] = ("36/255", 0.25, 0.5, 1.0)
    watch: tuple[str | float, ...] = (0.25,)
    positive: str = ""

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        for key in ("epsilons", "watch"):
            for epsilon in getattr(self, key):
                try:
                    valid = 0 <= parse_fraction(epsilon) < math.inf
                except ValueError:
                    valid = False
                if not valid:
                    yield key, 'non-negative numbers or fractions such as "36/255"', epsilon

    def radii(self) -> dict[str, float]:
        """The radii by their name in tables and metrics files."""
        return {str(epsilon): parse_fraction(epsilon) for epsilon in self.epsilons}

    def watched(self) -> dict[str, float]:
        """The radii that are shown during training, by their name."""
        return {str(epsilon): parse_fraction(epsilon) for epsilon in self.watch}


@dataclass(frozen=True)
class RegistrySettings:
    """What a model card says about the data and the weights.

    `class_names`, `feature_names` and `units` (of the input) take the place of what the data say.
    `content_sha256` is the hash of the data that all of it, and the recipe's `description`, is
    about (`lipzoo.training.provenance`): with other data the recipe is run without these texts.
    """

    dataset: str = ""
    data_licence: str = ""
    citation: str = ""
    licence: str = "Apache-2.0"
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    units: str = ""
    intended_use: str = ""
    paper: str = "arXiv 2510.22299"
    limitations: str = ""
    content_sha256: str = ""

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        if not re.fullmatch("|[0-9a-f]{64}", self.content_sha256):
            yield "content_sha256", "64 hexadecimal digits", self.content_sha256
