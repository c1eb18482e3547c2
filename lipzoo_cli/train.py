"""`lipzoo train` and `lipzoo promote`: a recipe becomes a run, and a run a model of the zoo."""

import argparse
from pathlib import Path

from lipzoo import training, zoo
from lipzoo.training.provenance import for_other_data
from lipzoo_cli.arguments import print_json
from lipzoo_cli.bundled_recipes import find_recipe
from lipzoo_cli.metrics_table import format_metrics


def train(arguments: argparse.Namespace) -> None:
    """`lipzoo train RECIPE [--data SOURCE] [--out DIR] [--resume] [--devices N] [--json]`."""
    path = find_recipe(arguments.recipe)
    recipe = training.read_recipe(path)
    text = path.read_text(encoding="utf-8")
    if arguments.data is not None:
        text = for_other_data(text, arguments.data)
    folder = Path(arguments.out or Path("runs") / recipe.name)
    arguments.when_interrupted = f"; continue with --resume (run folder {folder})"
    metrics = training.train(
        text,
        folder,
        resume=arguments.resume,
        verbose=not arguments.json,
        devices=arguments.devices,
    )
    if arguments.json:
        print_json({**metrics, "run_folder": str(folder)})
    else:
        print(format_metrics(metrics))
        print(f"run folder: {folder}")


def promote(arguments: argparse.Namespace) -> None:
    """`lipzoo promote RUN [--name NAME] [--weights DIR] [--replace [--keep-previous]]
    [--json]`.
    """
    folder = zoo.promote(
        Path(arguments.run),
        arguments.name,
        arguments.weights,
        replace=arguments.replace,
        keep_previous=arguments.keep_previous,
    )
    if arguments.json:
        print_json({"name": folder.name, "folder": str(folder)})
    else:
        print(f"{arguments.run} is now {folder.name} in the zoo: {folder}")
