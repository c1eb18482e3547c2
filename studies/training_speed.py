"""`python -m studies.training_speed`: how much sooner today's recipe is where the first one ended.

Both recipes of gradflow-fmnist: that of its first version (Adam, the constraint's projection,
float32) and today's (StiefelMuon, operators of half rank, steps in bfloat16). Measured in one run:
a training step of each, and of today's recipe in float32, in turns on the same batch; and a short
training by today's recipe, with its accuracies on validation data beside those that the first
version has. Writes studies/training_speed.json.
"""

import argparse
import dataclasses
from pathlib import Path

import keras

from lipzoo import certify
from lipzoo.training import load_data, read_recipe
from lipzoo.training.model import build_model, compile_model
from lipzoo.training.recipe import Recipe
from lipzoo.training.run_folder import write_json
from lipzoo.zoo import info, model_folder
from lipzoo_catalogue.formatting import parse_fraction
from studies.machine import machine
from studies.small_classifiers import train_small
from studies.timing import interleaved, paired_ratio

RESULTS = Path(__file__).with_name("training_speed.json")
FIRST = "gradflow-fmnist@1"
TODAY = Path(__file__).parents[1] / "recipes" / "gradflow-fmnist.toml"
RADII = ("36/255", "0.25", "0.5", "1.0")


def recipes() -> dict[str, Recipe]:
    """The recipes that are compared, by name."""
    today = read_recipe(TODAY)
    in_float32 = dataclasses.replace(today.training, dtype_policy="float32")
    return {
        "first": read_recipe(model_folder(FIRST) / "recipe.toml"),
        "today, float32": dataclasses.replace(today, training=in_float32),
        "today": today,
    }


def step_costs(compared: dict[str, Recipe], dataset, rounds: int) -> dict:
    """Seconds of a training step by each recipe, in units of the first one's."""
    turns, size = {}, None
    for name, recipe in compared.items():
        keras.utils.set_random_seed(0)
        arguments = recipe.model.arguments | {
            "input_shape": dataset.input_shape,
            "num_classes": dataset.num_classes,
        }
        policy = recipe.training.dtype_policy
        model = build_model(recipe.model.architecture, arguments, policy)
        size = recipe.training.batch_size
        compile_model(model, recipe.training, len(dataset.train) // size, {})
        batch = dataset.train.take(range(size))
        x, y = dataset.inputs(batch), batch.y
        turns[name] = lambda m=model, x=x, y=y: m.train_on_batch(x, y)
    seconds = interleaved(turns, rounds, warmup=3)
    return {name: paired_ratio(seconds, name, "first") for name in compared if name != "first"}


def main(arguments=None) -> None:
    """Writes the results."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.training_speed", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--epochs", type=int, default=6, help="of the short training")
    parser.add_argument("--rounds", type=int, default=25, help="of the timing")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    compared = recipes()
    today, first = compared["today"], compared["first"]
    dataset = load_data(today.data)
    steps = step_costs(compared, dataset, options.rounds)
    settings = dataclasses.replace(today.training, epochs=options.epochs)
    model = train_small(dataclasses.replace(today, training=settings), dataset, today.seed)
    validation = dataset.validation
    found = certify(model, dataset.inputs(validation), validation.y, reference="float64")
    known = info(FIRST).metrics.validation
    share = options.epochs / first.training.epochs * steps["today"]["ratio"]
    results = {
        "first": {
            "epochs": first.training.epochs,
            "clean": known.clean,
            "certified": {radius: known.certified[radius] for radius in RADII},
        },
        "today": {
            "epochs": options.epochs,
            "clean": found.accuracy,
            "certified": {r: found.certified_accuracy(parse_fraction(r)) for r in RADII},
        },
        "steps": steps,
        "times_as_fast": round(1 / share, 2),
        "batch_size": today.training.batch_size,
        "machine": machine(),
    }
    write_json(options.output, results)


if __name__ == "__main__":
    main()
