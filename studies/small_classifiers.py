"""What the studies of small classifiers on Fashion-MNIST share: recipe, training, finished runs."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from lipzoo.data.dataset import Dataset
from lipzoo.training.batches import Batches, EpochStart
from lipzoo.training.devices import built_again
from lipzoo.training.model import build_model, compile_model
from lipzoo.training.recipe import Recipe, read_recipe
from lipzoo.training.run_folder import write_json
from lipzoo.training.tasks.classification import certified_table

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "gradflow-fmnist.toml"
RUNS = HERE.parent / "runs"


def small_recipe(arguments: dict, epochs: int, **training) -> Recipe:
    """The flagship's recipe with other arguments of the builder and a shorter training.

    Args:
        arguments: arguments of `GradFlowNet` that differ from the flagship's.
        epochs: passes over the training data.
        **training: other settings of `[training]`; `epsilon` is that of its loss.
    """
    recipe = read_recipe(RECIPE)
    epsilon = training.pop("epsilon", recipe.training.loss.epsilon)
    loss = dataclasses.replace(recipe.training.loss, epsilon=epsilon)
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, arguments={**recipe.model.arguments, **arguments}),
        training=dataclasses.replace(recipe.training, epochs=epochs, loss=loss, **training),
    )


def train_small(recipe: Recipe, dataset: Dataset, seed: int, build=None) -> keras.Model:
    """Trains a classifier by a recipe, with a seed of its own; nothing is written.

    Args:
        recipe: the recipe.
        dataset: its data.
        seed: seed of weights, order and augmentation, in place of the recipe's.
        build: function that returns the model, which trains in its own precision; by default the
            recipe's architecture, in the recipe's.
    """
    keras.utils.set_random_seed(seed)
    training = recipe.training
    if build is not None:
        model = build()
    else:
        arguments = {**recipe.model.arguments, "input_shape": dataset.input_shape}
        arguments["num_classes"] = dataset.num_classes
        named = recipe.model.architecture, arguments
        model = build_model(*named, training.dtype_policy)
    batches = Batches(dataset.train, dataset.divisor, training.batch_size, seed, training.augment)
    compile_model(model, training, len(batches), {})
    callbacks = [EpochStart(batches, training.augment_at)]
    model.fit(batches, epochs=training.epochs, shuffle=False, callbacks=callbacks, verbose=0)
    if build is None and training.dtype_policy != "float32":
        model = built_again(model, lambda: build_model(*named, "float32"))
    return model


def accuracies(model: keras.Model, dataset: Dataset, radii) -> dict:
    """Clean and certified accuracy on validation and test data, rounding included."""
    named = {str(radius): float(radius) for radius in radii}
    splits = {"validation": dataset.validation, "test": dataset.test}
    return {
        name: certified_table(model, dataset.inputs(split), split.y, named)
        for name, split in splits.items()
    }


def finished_or(path: Path, settings: dict, run) -> dict:
    """Returns the result that a file holds for these very settings, or runs and writes it.

    Args:
        path: path of the JSON file of one run.
        settings: all that the result depends on, as JSON values.
        run: function that computes the result, JSON values too.
    """
    settings = json.loads(json.dumps(settings))
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["settings"] == settings:
            return kept["result"]
    result = run()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"settings": settings, "result": result})
    return result


def mean_and_interval(values) -> dict:
    """Mean over the seeds and the half width of its 95 % interval by Student's t."""
    from scipy.stats import t

    values = np.asarray(values, dtype="float64")
    deviation = values.std(ddof=1) / np.sqrt(len(values))
    half = float(t.ppf(0.975, len(values) - 1) * deviation)
    return {"mean": float(values.mean()), "half_width": half, "values": values.tolist()}
