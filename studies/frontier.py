"""`python -m studies.frontier`: clean against certified accuracy, by the loss's epsilon.

Trains a small network of the flagship's shape by the flagship's recipe, shorter and once for each
epsilon, and sets the shipped models beside it. Writes studies/frontier.json and
studies/frontier.png. A run that was interrupted goes on where it was.
"""

import argparse
import json
from pathlib import Path

from lipzoo.bounds import lipschitz_bound
from lipzoo.plotting import GREY, INK, MARKERS, decorate, legend, new_figure
from lipzoo.training import load_data
from lipzoo.training.recipe import read_recipe
from lipzoo.training.run_folder import write_figure, write_json
from lipzoo.zoo import info
from studies.small_classifiers import (
    HERE,
    RUNS,
    accuracies,
    finished_or,
    small_recipe,
    train_small,
)

SMALL = {"width": 16, "axial_units": 64, "features": 64}
EPSILONS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
RADII = (0.25, 0.5, 1.0, 1.5, 2.0)
SHIPPED = ("gradflow-fmnist", "gradflow-fmnist-robust")
# One colour per radius that is drawn, light to dark.
DRAWN = {"0.25": "#8fbbe0", "0.5": "#4a90cc", "1.0": "#1f5f9e", "1.5": "#123a63"}
MARKS = dict(zip(DRAWN, MARKERS, strict=False))


def small_point(dataset, epsilon: float, epochs: int, folder: Path) -> dict:
    """What one epsilon reaches on the small network."""
    recipe = small_recipe(SMALL, epochs, epsilon=epsilon)

    def run():
        model = train_small(recipe, dataset, recipe.seed)
        tables = accuracies(model, dataset, RADII)
        return {"epsilon": epsilon, "bound": lipschitz_bound(model).value, **tables}

    settings = {"recipe": recipe.sha256(), "data": dataset.fingerprint(), "radii": RADII}
    return finished_or(folder / f"{epsilon}.json", settings, run)


def shipped_point(name: str) -> dict:
    """What a shipped model reached, by its metrics file."""
    folder = HERE.parent / "weights" / name
    metrics = info(name).metrics
    certified = {radius: share for radius, _, share in metrics.certified}
    return {
        "epsilon": read_recipe(folder / "recipe.toml").training.loss.epsilon,
        "test": {"examples": metrics.examples, "clean": metrics.clean, "certified": certified},
    }


def main(arguments=None):
    """Writes results and figure, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m studies.frontier", description=__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--runs", type=Path, default=RUNS / "frontier", help="finished trainings")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    parser.add_argument(
        "--shipped", action="store_true", help="renew the shipped models' points alone, untrained"
    )
    options = parser.parse_args(arguments)
    if options.shipped:
        results = json.loads((options.output / "frontier.json").read_text(encoding="utf-8"))
        _write(options.output, {**results, "shipped": _shipped()})
        return
    recipe = small_recipe(SMALL, options.epochs)
    dataset = load_data(recipe.data)
    points = []
    for epsilon in EPSILONS:
        points.append(small_point(dataset, epsilon, options.epochs, options.runs))
        _print(f"small, epsilon {epsilon}", points[-1])
    results = {
        "recipe_sha256": recipe.sha256(),
        "arguments": SMALL,
        "epochs": options.epochs,
        "small": points,
        "shipped": _shipped(),
    }
    _write(options.output, results)


def _shipped() -> dict:
    shipped = {name: shipped_point(name) for name in SHIPPED}
    for name, point in shipped.items():
        _print(name, point)
    return shipped


def _write(folder: Path, results: dict) -> None:
    write_json(folder / "frontier.json", results)
    write_figure(folder / "frontier.png", draw(results))


def draw(results: dict):
    """Certified over clean accuracy on test data, one curve per radius along the epsilons."""
    figure = new_figure(7.4, 4.9, "studies.frontier")
    axes = figure.subplots()
    small = results["small"]
    clean = [100 * point["test"]["clean"] for point in small]
    for radius, colour in DRAWN.items():
        certified = [100 * point["test"]["certified"][radius] for point in small]
        label = f"small networks, certified at {radius}"
        axes.plot(clean, certified, color=colour, marker=MARKS[radius], markersize=5, label=label)
        for point in results["shipped"].values():
            if radius in point["test"]["certified"]:
                share = 100 * point["test"]["certified"][radius]
                axes.plot(100 * point["test"]["clean"], share, "*", color=colour, markersize=13)
    axes.plot([], [], "*", color=INK, markersize=11, label="the shipped ones, in the same colours")
    lowest = [100 * point["test"]["certified"][radius] for point in small]
    for x, y, point in zip(clean, lowest, small, strict=True):
        note = {"textcoords": "offset points", "fontsize": 8, "color": INK}
        axes.annotate(f"ε = {point['epsilon']}", (x, y), xytext=(6, 1), **note)
    for name, point in results["shipped"].items():
        x = 100 * point["test"]["clean"]
        axes.axvline(x, color=GREY, linewidth=0.6, linestyle=":", ymax=0.93)
        label = f"{name}\nε = {point['epsilon']}"
        axes.text(x, 87, label, ha="center", fontsize=8, color=GREY)
    axes.set_xlabel("clean accuracy in %")
    axes.set_ylabel("certified accuracy in %")
    axes.set_ylim(0, 96)
    axes.set_xlim(right=90.6)
    axes.set_title("Fashion-MNIST: what the loss's epsilon trades", color=INK, fontsize=11)
    decorate(axes)
    legend(axes, fontsize=8, loc="lower left")
    return figure


def _print(name, point):
    test = point["test"]
    shares = ", ".join(f"{100 * share:.1f} at {r}" for r, share in test["certified"].items())
    print(f"{name:<26} clean {100 * test['clean']:.1f}, certified {shares}", flush=True)


if __name__ == "__main__":
    main()
