"""`python -m studies.tightness`: proven bounds beside what was found from below.

Writes studies/tightness.json: for each classifier of the zoo the norms of its Jacobians at the
test examples, and the largest ratio of outputs to inputs that a search found from those examples
where they are largest.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import lipzoo
from lipzoo.data.dataset import load_data
from lipzoo.evaluation import tightness
from lipzoo.training import read_recipe
from lipzoo.training.run_folder import write_json
from studies.recipe_data import add_data_option, working_where_the_data_lie

RESULTS = Path(__file__).with_name("tightness.json")
RECIPES = Path(__file__).parents[1] / "recipes"
DISTANCES = (1.0, 0.1)
# Networks whose Jacobians take long: fewer examples, chosen at random.
EXAMPLES = {"hamnet-fmnist": 500}


def measure(name: str, examples: int | None, starts: int, steps: int, folders=()) -> dict:
    """The numbers of one model, whose data lie in one of the folders."""
    recipe = read_recipe(RECIPES / f"{name}.toml")
    with working_where_the_data_lie(recipe, folders):
        dataset = load_data(recipe.data)
    x = dataset.inputs(dataset.test)
    examples = EXAMPLES.get(name, len(x)) if examples is None else examples
    x = np.random.default_rng(0).permutation(x)[:examples]
    model = lipzoo.load(name)
    everywhere = tightness(model, x, steps=0)
    steepest = x[np.argsort(-everywhere.local)[:starts]]
    searches = [tightness(model, steepest, distance=d, steps=steps) for d in DISTANCES]
    found = max([everywhere.found, *(search.found for search in searches)])
    return {
        "name": name,
        "examples": len(x),
        "starts": len(steepest),
        "bound": everywhere.bound,
        "largest_local": float(everywhere.local.max()),
        "mean_local": float(everywhere.local.mean()),
        "found": found,
        "share": found / everywhere.bound,
    }


def classifiers() -> list[str]:
    """The classifiers of the zoo."""
    return [name for name in lipzoo.list_models() if lipzoo.info(name).task == "classification"]


def main(arguments=None):
    """Writes the results, model by model."""
    parser = argparse.ArgumentParser(prog="python -m studies.tightness", description=__doc__)
    parser.add_argument("--only", action="append", help="a model to measure anew, the rest kept")
    parser.add_argument("--examples", type=int, help="of the test data (default: all)")
    parser.add_argument("--starts", type=int, default=64)
    parser.add_argument("--steps", type=int, default=300)
    add_data_option(parser)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    known = {}
    if options.only and options.output.exists():
        known = {row["name"]: row for row in json.loads(options.output.read_text())["models"]}
    for name in options.only or classifiers():
        known[name] = measure(name, options.examples, options.starts, options.steps, options.data)
        print(known[name], flush=True)
        rows = [known[name] for name in classifiers() if name in known]
        write_json(options.output, {"models": rows})


if __name__ == "__main__":
    main()
