"""Classifiers: labels, certified accuracy."""

import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lipzoo import models, zoo
from lipzoo.certificates import certify
from lipzoo.data.dataset import Dataset
from lipzoo.float64 import computes_in_float64
from lipzoo.training.batches import Batches
from lipzoo.training.model import TrainingError, builder_of, compile_model
from lipzoo.training.recipe import Recipe
from lipzoo.training.training_curves import write_curves
from lipzoo_catalogue.task_names import CLASSIFICATION


class ClassificationTask:
    """A classifier of the data's examples, trained for certified accuracy.

    Args:
        recipe: the recipe.
        dataset: its data.

    Raises:
        TrainingError: if the recipe's positive class is none of the data's two.
    """

    name = CLASSIFICATION

    def __init__(self, recipe: Recipe, dataset: Dataset):
        self.recipe, self.dataset = recipe, dataset
        positive = recipe.evaluation.positive
        if positive and (dataset.num_classes != 2 or positive not in self.class_names):
            raise TrainingError(
                "[evaluation] positive: expected one of two classes, and the data have "
                f"{', '.join(self.class_names[:10])}. Received: {positive!r}"
            )

    def arguments(self) -> dict:
        """All arguments of the builder: the recipe's, and those that follow from the data.

        Raises:
            TrainingError: if the recipe standardises and the architecture has no such argument.
        """
        recipe, dataset = self.recipe, self.dataset
        arguments = {
            **recipe.model.arguments,
            "input_shape": list(dataset.input_shape),
            "num_classes": dataset.num_classes,
        }
        if recipe.data.standardize:
            builder = builder_of(recipe.model.architecture)
            if "normalization" not in inspect.signature(builder).parameters:
                raise TrainingError(
                    f"{recipe.model.architecture} has no `normalization` argument, which "
                    "[data] standardize = true needs"
                )
            arguments["normalization"] = _moments(dataset.inputs(dataset.train))
        return arguments

    def batches(self) -> Batches:
        """The training batches."""
        training = self.recipe.training
        return Batches(
            self.dataset.train,
            self.dataset.divisor,
            training.batch_size,
            self.recipe.seed,
            training.augment,
            ball=training.adversary.epsilon,
        )

    def class_weight(self) -> dict[int, float] | None:
        """Weight of each class in the loss, see `TrainingSettings`; `None` for equal ones."""
        if self.recipe.training.class_weight == "none":
            return None
        counts = np.bincount(self.dataset.train.y, minlength=self.dataset.num_classes)
        if not counts.all():
            raise TrainingError(
                "[training] class_weight: expected training examples of every class. "
                f"Received: {counts.tolist()} examples"
            )
        return dict(enumerate((counts.sum() / (len(counts) * counts)).tolist()))

    def validation_data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels on which choices are made."""
        return self.dataset.inputs(self.dataset.validation), self.dataset.validation.y

    def compile(self, model: keras.Model, steps: int) -> None:
        """Compiles a model for epochs of so many steps."""
        keeps_bound = self.recipe.model.architecture in models.KEEP_THEIR_BOUND
        watched = self.recipe.evaluation.watched() if keeps_bound else {}
        compile_model(model, self.recipe.training, steps, watched)

    def tables(self, folder: Path, model: keras.Model) -> dict:
        """The accuracies of a saved model by their keys in `metrics.json`."""
        dataset = self.dataset
        splits = {"validation": dataset.validation, "test": dataset.test}
        measured = {key: (model, split) for key, split in splits.items()}
        # The network that a user gets, made of the saved weights.
        reference = zoo.load(folder, dtype="float64") if computes_in_float64() else None
        if reference is not None:
            measured["test_float64"] = (reference, dataset.test)
        radii = self.recipe.evaluation.radii()
        return {
            key: certified_table(
                network,
                dataset.inputs(split),
                split.y,
                radii,
                None if network is reference else reference,
                self.positive,
                dataset.seen if split is dataset.test else None,
            )
            for key, (network, split) in measured.items()
        }

    def write_curves(self, path: Path, history: list[dict], tables: dict) -> None:
        """Draws the run.

        Raises:
            ImportError: if matplotlib is not installed.
        """
        write_curves(path, self.recipe.name, history, tables["test"])

    @property
    def positive(self) -> tuple[str, int] | None:
        """Name and number of the positive class, where the recipe has one."""
        name = self.recipe.evaluation.positive
        return (name, self.class_names.index(name)) if name else None

    @property
    def preprocessing(self) -> dict:
        """The units of the model's input."""
        if self.dataset.kind == "image":
            return {"scale": "pixels in [0, 1]", "minimum": 0.0, "maximum": 1.0}
        units = self.recipe.registry.units or "values as in the data"
        return {"scale": units, "minimum": None, "maximum": None}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes: the recipe's, or else the data's."""
        return self.recipe.registry.class_names or self.dataset.class_names


def _moments(x) -> dict:
    """Mean and variance of each feature."""
    x = x.astype("float64")
    axes = tuple(range(x.ndim - 1))
    variance = x.var(axis=axes)
    # A constant feature says nothing; variance 1 keeps it finite.
    variance[variance == 0] = 1.0
    return {"mean": x.mean(axis=axes).tolist(), "variance": variance.tolist()}


def certified_table(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    radii: dict[str, float],
    reference: keras.Model | None = None,
    positive: tuple[str, int] | None = None,
    seen: np.ndarray | None = None,
) -> dict[str, Any]:
    """Clean and certified accuracy of a model, with the bound recomputed from its weights.

    Args:
        model: classifier without softmax.
        x: inputs, in the model's units.
        y: integer labels.
        radii: l2 radii by name.
        reference: the same network in float64, see `certify`; `None` for the model's own margins.
        positive: name and number of the positive class of two; `None` where there is none.
        seen: which examples also stand in the training or validation split, booleans of shape
            `(examples,)`; `None` where that is no question.

    Returns:
        `{"examples": ..., "clean": ..., "certified": {name: share}}`, `"margins": "float64"` with
        a reference, and with a positive class its name and such tables of the examples of one
        class under `"sensitivity"` and `"specificity"`. Where some examples were seen, their
        number is under `"seen"`, and what is found of the others alone under `"unseen"`.
    """
    certificate = certify(model, x, y, reference=reference, verbose=0)
    everything = np.ones(len(y), dtype=bool)
    table = _accuracies(certificate, everything, radii)
    if reference is not None:
        table["margins"] = "float64"
    table |= _rates(certificate, everything, radii, positive)
    if seen is None or not seen.any():
        return table
    table["seen"] = int(seen.sum())
    if not seen.all():
        rates = _rates(certificate, ~seen, radii, positive)
        table["unseen"] = {**_accuracies(certificate, ~seen, radii), **rates}
    return table


def _accuracies(certificate, chosen, radii) -> dict:
    """Clean and certified share of the chosen examples."""
    correct = (certificate.prediction == certificate.labels)[chosen]
    radius = certificate.radius[chosen]
    shares = {name: float(np.mean(correct & (radius > value))) for name, value in radii.items()}
    return {"examples": len(correct), "clean": float(np.mean(correct)), "certified": shares}


def _rates(certificate, chosen, radii, positive) -> dict:
    """Sensitivity and specificity among the chosen examples, as tables of their own."""
    if positive is None:
        return {}
    name, number = positive
    members = certificate.labels == number
    groups = {"sensitivity": chosen & members, "specificity": chosen & ~members}
    if not all(group.any() for group in groups.values()):
        return {}
    tables = {rate: _accuracies(certificate, group, radii) for rate, group in groups.items()}
    return {"positive": name, **tables}
