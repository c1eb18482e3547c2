"""`python -m studies.run` measures everything once and writes studies/results.json."""

import argparse
import dataclasses
import json
import os
import platform
from pathlib import Path

from lipzoo.training import read_recipe
from studies import costs, norms
from studies.machine import machine

RESULTS = Path(__file__).with_name("results.json")
RECIPES = Path(__file__).parents[1] / "recipes"


def measure(name: str, quick: bool) -> dict:
    """Every measurement for one bundled model; `quick` only shows that they run."""
    rounds = 2 if quick else 40
    training = read_recipe(RECIPES / f"{name}.toml").training
    if quick:
        training = dataclasses.replace(training, batch_size=8)
    small = dataclasses.replace(training, batch_size=min(32, training.batch_size))
    return {
        "model": name,
        "training_step": costs.training_step(name, training, rounds),
        "training_step_small": costs.training_step(name, small, rounds),
        "inference": costs.inference(name, rounds),
        "certify": costs.certifying(name, rounds),
        "load": costs.loading(name, 1 if quick else 7),
        "patch_kernels": norms.patch_kernels(name),
        "overlapping_kernels": norms.overlapping_kernels(1 if quick else 15),
        "machine": {**machine(), "python": platform.python_version()},
    }


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.run", description=__doc__)
    parser.add_argument("--model", default="gradflow-fmnist")
    parser.add_argument("--quick", action="store_true", help="few rounds: meaningless numbers")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    results = json.dumps(measure(options.model, options.quick), indent=2) + "\n"
    temporary = options.output.with_suffix(".tmp")
    temporary.write_text(results)
    os.replace(temporary, options.output)
    print(results, end="")


if __name__ == "__main__":
    main()
