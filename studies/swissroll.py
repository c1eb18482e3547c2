"""`python -m studies.swissroll`: what depth does to the gradients of small networks.

Trains the network of recipes/hamnet-swissroll.toml and three baselines of the same width by that
recipe, over several seeds, and writes studies/swissroll.json and studies/swissroll.png.
"""

import argparse
import dataclasses
from pathlib import Path

import keras
import numpy as np

from lipzoo import SensitivityLogger
from lipzoo.data.dataset import load_data
from lipzoo.training import read_recipe
from lipzoo.training.batches import Batches, EpochStart
from lipzoo.training.model import build_model, compile_model
from lipzoo.training.run_folder import write_figure, write_json
from studies.swissroll_figure import draw

HERE = Path(__file__).parent
RESULTS, FIGURE = HERE / "swissroll.json", HERE / "swissroll.png"
RECIPE = HERE.parent / "recipes" / "hamnet-swissroll.toml"
# Examples at which Jacobians are measured, from the validation split.
PROBES = 50


def networks(recipe) -> dict:
    """Architecture and arguments by the name in tables: the recipe's, and its baselines."""
    arguments = recipe.model.arguments
    shared = {key: arguments[key] for key in ("width", "activation")}
    depth = arguments["depth"]
    return {
        f"HamNet, {depth} layers": (recipe.model.architecture, arguments),
        f"MLP, {depth} layers": ("MLP", {**shared, "depth": depth}),
        "MLP, 2 layers": ("MLP", {**shared, "depth": 2}),
        f"ResNet, {depth} layers": ("ResNet", {**shared, "depth": depth}),
    }


def train(recipe, dataset, architecture, arguments, seed):
    """Trains one network; returns it and its record of Jacobian norms."""
    keras.utils.set_random_seed(seed)
    training = recipe.training
    model = build_model(architecture, {**arguments, "input_shape": (2,), "num_classes": 2})
    batches = Batches(dataset.train, 1.0, training.batch_size, seed, training.augment)
    compile_model(model, training, len(batches), {})
    logger = SensitivityLogger(dataset.validation.x[:PROBES])
    callbacks = [EpochStart(batches, training.augment_at), logger]
    model.fit(batches, epochs=training.epochs, shuffle=False, callbacks=callbacks, verbose=0)
    return model, logger


def summary(models_and_records, test) -> dict:
    """What is reported of one network over its seeds."""
    accuracies = [
        float(np.mean(model.predict(test.x, verbose=0).argmax(axis=1) == test.y))
        for model, _ in models_and_records
    ]
    records = [record for _, record in models_and_records]
    # Without the last state's own norms, which are 1.
    backward = np.array([record.backward[:, :-1] for record in records])
    forward = np.array([record.forward for record in records])
    last = backward[:, -1].transpose(1, 0, 2).reshape(backward.shape[2], -1)
    return {
        "test_accuracy": accuracies,
        "mean_test_accuracy": float(np.mean(accuracies)),
        "smallest_backward_norm": float(backward.min()),
        "smallest_forward_norm": float(forward.min()),
        "epochs": records[0].epochs,
        "smallest_backward_norm_by_epoch": backward.min(axis=(0, 2, 3)).tolist(),
        "layers": list(records[0].norms[0].names[:-1]),
        "backward_norm_by_layer_after_training": {
            "min": last.min(axis=1).tolist(),
            "median": np.median(last, axis=1).tolist(),
            "max": last.max(axis=1).tolist(),
        },
    }


def main(arguments=None):
    """Writes results and figure, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m studies.swissroll", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="other than the recipe's, to try it out")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    options = parser.parse_args(arguments)
    recipe = read_recipe(RECIPE)
    if options.epochs:
        training = dataclasses.replace(recipe.training, epochs=options.epochs)
        recipe = dataclasses.replace(recipe, training=training)
    dataset = load_data(recipe.data)
    results = {}
    for name, (architecture, settings) in networks(recipe).items():
        trained = []
        for seed in range(options.seeds):
            trained.append(train(recipe, dataset, architecture, settings, seed))
        results[name] = summary(trained, dataset.test)
        print(
            f"{name:<18} test accuracy {100 * results[name]['mean_test_accuracy']:6.2f} % "
            f"({options.seeds} seeds), smallest backward norm "
            f"{results[name]['smallest_backward_norm']:.7g}",
            flush=True,
        )
    write_json(
        options.output / RESULTS.name,
        {
            "recipe_sha256": recipe.sha256(),
            "activation": recipe.model.arguments["activation"],
            "seeds": options.seeds,
            "networks": results,
        },
    )
    write_figure(options.output / FIGURE.name, draw(results))


if __name__ == "__main__":
    main()
