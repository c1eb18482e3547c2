"""`python -m studies.training_speed`: how much sooner the flagship's accuracy is reached.

Two recipes on Fashion-MNIST: the flagship's (Adam, the constraint's projection, float32), and the
same with StiefelMuon, operators of half rank and steps in bfloat16. Measured in one run: a training
step of each, and of the second in float32, in turns on the same batch; and a short training by the
second, with its accuracies on validation data beside those that the flagship has. Writes
studies/training_speed.json.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from lipzoo import certify
from lipzoo.data.dataset import Dataset
from lipzoo.training import load_data, read_recipe
from lipzoo.training.devices import built_again
from lipzoo.training.model import build_model, compile_model
from lipzoo.training.recipe import Recipe
from lipzoo.training.run_folder import write_json
from lipzoo.zoo import model_folder
from lipzoo_catalogue.formatting import parse_fraction
from studies.machine import machine
from studies.small_classifiers import RECIPE, train_small
from studies.timing import interleaved, paired_ratio

RESULTS = Path(__file__).with_name("training_speed.json")
FLAGSHIP = "gradflow-fmnist"
FASTER = {"optimizer": "stiefel_muon", "learning_rate": 0.02, "warmup_epochs": 0.5}
RADII = ("36/255", "0.25", "0.5", "1.0")


def recipes(epochs: int) -> dict[str, Recipe]:
    """The recipes that are compared, by name; the faster one for so many epochs."""
    flagship = read_recipe(RECIPE)
    half = dataclasses.replace(
        flagship.model, arguments={**flagship.model.arguments, "units": "half"}
    )
    found = {"flagship": flagship}
    for name, policy in (("faster, float32", "float32"), ("faster", "mixed_bfloat16")):
        training = dataclasses.replace(
            flagship.training, epochs=epochs, dtype_policy=policy, **FASTER
        )
        found[name] = dataclasses.replace(flagship, model=half, training=training)
    return found


def built(recipe: Recipe, dataset: Dataset, policy: str) -> keras.Model:
    """The recipe's network for the data, in some precision."""
    sizes = {"input_shape": dataset.input_shape, "num_classes": dataset.num_classes}
    return build_model(recipe.model.architecture, {**recipe.model.arguments, **sizes}, policy)


def step_costs(compared: dict[str, Recipe], dataset: Dataset, rounds: int) -> dict:
    """Seconds of a training step by each recipe, in units of the flagship's."""
    turns = {}
    for name, recipe in compared.items():
        keras.utils.set_random_seed(0)
        training = recipe.training
        model = built(recipe, dataset, training.dtype_policy)
        compile_model(model, training, len(dataset.train) // training.batch_size, {})
        batch = dataset.train.take(np.arange(training.batch_size))
        x, y = dataset.inputs(batch), batch.y
        turns[name] = lambda m=model, x=x, y=y: m.train_on_batch(x, y)
    seconds = interleaved(turns, rounds, warmup=3)
    others = [name for name in compared if name != "flagship"]
    return {name: paired_ratio(seconds, name, "flagship") for name in others}


def main(arguments=None) -> None:
    """Writes the results."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.training_speed", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--epochs", type=int, default=6, help="of the short training")
    parser.add_argument("--rounds", type=int, default=25, help="of the timing")
    parser.add_argument("--examples", type=int, help="training examples (default: all)")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    compared = recipes(options.epochs)
    flagship, faster = compared["flagship"], compared["faster"]
    dataset = load_data(flagship.data)
    if options.examples is not None:
        first = np.arange(min(options.examples, len(dataset.train)))
        dataset = dataclasses.replace(dataset, train=dataset.train.take(first))
    steps = step_costs(compared, dataset, options.rounds)
    model = train_small(faster, dataset, faster.seed)
    validation = dataset.validation
    reference = built_again(model, lambda: built(faster, dataset, "float64"))
    x, y = dataset.inputs(validation), validation.y
    found = certify(model, x, y, reference=reference, verbose=0)
    metrics = json.loads((model_folder(FLAGSHIP) / "metrics.json").read_text(encoding="utf-8"))
    known = metrics["validation"]
    share = options.epochs / flagship.training.epochs * steps["faster"]["ratio"]
    results = {
        "flagship": {
            "epochs": flagship.training.epochs,
            "clean": known["clean"],
            "certified": {radius: known["certified"][radius] for radius in RADII},
        },
        "faster": {
            "epochs": options.epochs,
            "clean": found.accuracy,
            "certified": {r: found.certified_accuracy(parse_fraction(r)) for r in RADII},
        },
        "steps": steps,
        "times_as_fast": round(1 / share, 2),
        "batch_size": faster.training.batch_size,
        "machine": machine(),
    }
    write_json(options.output, results)


if __name__ == "__main__":
    main()
