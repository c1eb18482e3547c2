"""`python -m studies.attacks`: accuracy of the Fashion-MNIST models over ε, proven and attacked.

Writes studies/attacks.json and attacks.png: the same test images for every model, the default
attacks of `lipzoo.evaluate_robustness`. A model whose weights are those of the file is not attacked
again, so that a run continues where it was stopped. With `--record` the accuracies also go into the
models' metrics, for their cards.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import lipzoo
from lipzoo.data.dataset import load_data
from lipzoo.data.settings import DataSettings
from lipzoo.plotting import (
    ATTACKED,
    CERTIFIED,
    GOLD,
    GREY,
    INK,
    SKY,
    decorate,
    legend,
    new_figure,
    radius_label,
)
from lipzoo.training.run_folder import write_figure, write_json
from lipzoo_catalogue.files import WEIGHTS
from lipzoo_catalogue.formatting import parse_fraction
from lipzoo_catalogue.model_source import find
from lipzoo_cli.evaluate_attacked import record

RESULTS = Path(__file__).with_name("attacks.json")
EPSILONS = ("0.1", "36/255", "0.25", "0.5", "1.0")
ATTACKS = ("pgd", "boundary")
# In the order of their curves.
MODELS = (
    "resnet-fmnist",
    "resnet-fmnist-adversarial",
    "hamnet-fmnist",
    "gradflow-fmnist",
    "gradflow-fmnist-robust",
)
STYLES = {
    "resnet-fmnist": (GREY, "s"),
    "resnet-fmnist-adversarial": (ATTACKED, "D"),
    "hamnet-fmnist": (GOLD, "^"),
    "gradflow-fmnist": (CERTIFIED, "o"),
    "gradflow-fmnist-robust": (SKY, "v"),
}


def measure(name: str, x, y, samples: int, attacks=ATTACKS) -> dict:
    """Attacks one model; returns its row."""
    robustness = lipzoo.evaluate_robustness(
        lipzoo.load(name),
        x,
        y,
        EPSILONS,
        attacks,
        samples=samples,
        reference=lipzoo.load(name, dtype="float64"),
        verbose=True,
    )
    print(robustness, flush=True)
    info = lipzoo.info(name)
    return {
        "weights_sha256": info.files[WEIGHTS].sha256,
        "parameters": info.parameters,
        "clean_on_all": info.metrics.clean,
        **robustness.to_dict(),
    }


def draw(results: dict, path: Path) -> None:
    """Accuracy under attack over ε, solid, and certified accuracy, dashed, of every model."""
    figure = new_figure(8.4, 5.0, "studies.attacks")
    axes = figure.subplots()
    nothing = []
    for name, row in results["models"].items():
        colour, marker = STYLES[name]
        radii = [0.0, *map(parse_fraction, row["attacked"])]
        attacked, certified = (
            100 * np.array([row["clean"], *row[key].values()]) for key in ("attacked", "certified")
        )
        axes.plot(radii, attacked, color=colour, marker=marker, markersize=5, label=name)
        if certified[1:].any():
            # Between two radii what is certified is at least what is at the larger one.
            style = {"linestyle": "--", "linewidth": 1.4, "drawstyle": "steps-pre"}
            axes.plot(radii, certified, color=colour, **style)
        else:
            nothing.append(name)
    axes.plot([], [], "-", color=INK, label="solid: left standing by the attacks")
    axes.plot([], [], "--", color=INK, label="dashed: certified, no attack can do more")
    if nothing:
        said = f"certified from ε = {radii[1]:g} on: 0 % of {', '.join(nothing)}"
        axes.plot([], [], " ", label=said)
    axes.set(xlim=(0, None), ylim=(0, 100))
    axes.set_xlabel(radius_label())
    axes.set_ylabel(f"accuracy in %, {results['examples']:,} test images")
    decorate(axes)
    legend(axes, fontsize=8, loc="center right", bbox_to_anchor=(1.0, 0.3))
    write_figure(path, figure, dpi=130)


def main(arguments=None):
    """Writes the results, after every model."""
    parser = argparse.ArgumentParser(prog="python -m studies.attacks", description=__doc__)
    parser.add_argument("--model", action="append", help="only these (default: all that there are)")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--record", action="store_true", help="write into the models' metrics, too")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    dataset = load_data(DataSettings("tfds:fashion_mnist", validation="1/12"))
    x, y = dataset.inputs(dataset.test), dataset.test.y
    earlier = json.loads(options.output.read_text()) if options.output.exists() else {}
    known = earlier["models"] if earlier.get("examples") == options.samples else {}
    for name in options.model or [name for name in MODELS if name in lipzoo.list_models()]:
        weights = lipzoo.info(name).files[WEIGHTS].sha256
        if known.get(name, {}).get("weights_sha256") != weights:
            known[name] = measure(name, x, y, options.samples)
        results = {
            "examples": options.samples,
            "models": {name: known[name] for name in MODELS if name in known},
        }
        write_json(options.output, results)
        draw(results, options.output.with_suffix(".png"))
        if options.record:
            record(find(name), known[name])


if __name__ == "__main__":
    main()
