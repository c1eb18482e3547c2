"""`python -m studies.board`: enters models of the zoo into `board/`, audited.

Accuracies are those of the models' metrics, in float32 with rounding included; the claimed constant
is held against proof and search by `lipzoo.audit`.
"""

import argparse
from pathlib import Path

import lipzoo
from lipzoo.training import load_data, read_recipe
from lipzoo_catalogue.files import RECIPE
from lipzoo_catalogue.registry import model_folder
from studies.board_entries import FOLDER, Entry, write_entry
from studies.recipe_data import add_data_option, working_where_the_data_lie

NAMES = (
    "gradflow-mnist",
    "gradflow-mnist-robust",
    "gradflow-fmnist",
    "gradflow-fmnist-robust",
    "gradflow-cifar10",
)
# The claim that a gradient flow with an orthogonal head makes.
CLAIM = 1.0
# Of the search, from test images.
STARTS = 32
_SOURCE = "`recipes/{}.toml`"


def enter(name: str, steps: int, data=()) -> Entry:
    """The entry of a model of the zoo, whose data lie in one of the folders `data`."""
    info, recipe = lipzoo.info(name), read_recipe(model_folder(name) / RECIPE)
    with working_where_the_data_lie(recipe, data):
        dataset = load_data(recipe.data)
    x = dataset.inputs(dataset.test)[:STARTS]
    audit = lipzoo.audit(lipzoo.load(name), CLAIM, x, steps=steps)
    metrics = info.metrics
    numbers = {
        "test images": metrics.examples,
        "clean": metrics.clean,
        "claim": audit.claim,
        "largest ratio": audit.ratio,
        "parameters": info.parameters,
        "seeds": 1,
    }
    if audit.bound is not None:
        numbers["proven bound"] = audit.bound
    seconds = info.training.seconds.get("training")
    if seconds is not None:
        numbers["training minutes"] = round(seconds / 60, 1)
    texts = {
        "dataset": info.config.dataset.partition(" (")[0],
        "method": name,
        "verdict": audit.verdict,
        "device": info.training.hardware,
        "source": _SOURCE.format(name),
    }
    return Entry(texts, numbers, {radius: share for radius, _, share in metrics.certified})


def main(arguments=None):
    """Writes an entry a model, and prints it."""
    parser = argparse.ArgumentParser(prog="python -m studies.board", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, help="models (default: those entered)")
    parser.add_argument("--steps", type=int, default=30, help="of the search for a violation")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder to write into")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    for name in options.names:
        entry = enter(name, options.steps, options.data)
        write_entry(options.output / f"{name}.csv", entry)
        print(entry, flush=True)


if __name__ == "__main__":
    main()
