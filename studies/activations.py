"""`python -m studies.activations`: certified accuracy by activation, over five seeds.

One dense network of six square layers on Fashion-MNIST, trained by the flagship's recipe for a few
epochs. The layers are gradient flows `x - 2Kσ(Kᵀx + b)`. Sorting is not the gradient of a convex
potential (where it swaps two numbers its Jacobian has the eigenvalue -1), so the layers of MaxMin
are orthonormal matrices followed by a sort of pairs, with the same number of weights. Learning rate
and gain of each network are those of the highest certified accuracy on validation data, found with
a seed that is not among the five. Writes studies/activations.json and
studies/activations.png. A study that was interrupted goes on where it was.
"""

import argparse
import dataclasses
import itertools
from pathlib import Path

import keras
import numpy as np

from lipzoo.bounds import lipschitz_bound
from lipzoo.layers import GradientFlowDense, GroupSort, SpectralDense
from lipzoo.plotting import GREY, INK, decorate, new_figure
from lipzoo.training import load_data
from lipzoo.training.run_folder import write_figure, write_json
from studies.small_classifiers import (
    HERE,
    RUNS,
    accuracies,
    finished_or,
    mean_and_interval,
    small_recipe,
    train_small,
)

DEPTH, FEATURES = 6, 192
RADII = (0.25, 0.5, 1.0)
LEARNING_RATES = (2e-3, 6e-3)
SELECTION_SEED = 100
COLOURS = dict(zip(map(str, RADII), ("#8fbbe0", "#3d84c4", "#123a63"), strict=True))


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network of the study: what its layers apply, and the gains among which it may choose."""

    name: str
    activation: str
    gains: tuple[float, ...] = (1.0,)
    train_gain: bool = False


CANDIDATES = (
    Candidate("ReLU", "relu"),
    Candidate("LeakyReLU, slope 0.2", "leaky_relu"),
    Candidate("tanh", "tanh", gains=(1.0, 4.0)),
    Candidate("softplus", "softplus", gains=(4.0, 16.0)),
    Candidate("softplus, learned slope", "softplus", gains=(4.0,), train_gain=True),
    Candidate("MaxMin", "sort"),
)


def build(candidate: Candidate, gain: float) -> keras.Model:
    """The network of a candidate with one of its gains."""
    inputs = keras.Input((28, 28, 1))
    x = SpectralDense(FEATURES)(keras.layers.Flatten()(inputs))
    for _ in range(DEPTH):
        if candidate.activation == "sort":
            x = GroupSort(2)(SpectralDense(FEATURES)(x))
        else:
            options = {"gain": gain, "train_gain": candidate.train_gain}
            x = GradientFlowDense(activation=candidate.activation, **options)(x)
    return keras.Model(inputs, SpectralDense(10, name="head")(x))


class Study:
    """The trainings of the study, each of them kept when it is finished.

    Args:
        epochs: passes over the training data.
        folder: where finished trainings are kept.
    """

    def __init__(self, epochs: int, folder: Path):
        self.epochs, self.folder = epochs, folder
        self.dataset = load_data(small_recipe({}, epochs).data)

    def train(self, candidate: Candidate, rate: float, gain: float, seed: int) -> dict:
        """Accuracies of one network with one learning rate, gain and seed."""
        recipe = small_recipe({}, self.epochs, learning_rate=rate)

        def run():
            keras.backend.clear_session()
            model = train_small(recipe, self.dataset, seed, lambda: build(candidate, gain))
            tables = accuracies(model, self.dataset, RADII)
            gains = [w for w in model.weights if w.path.endswith("/gain")]
            learned = np.concatenate([np.asarray(w) for w in gains]) if gains else None
            return {
                "bound": lipschitz_bound(model).value,
                "parameters": int(model.count_params()),
                "gains": None if learned is None else np.quantile(learned, (0, 0.5, 1)).tolist(),
                **tables,
            }

        settings = {
            "training": dataclasses.asdict(recipe.training),
            "data": self.dataset.fingerprint(),
            "network": [dataclasses.asdict(candidate), DEPTH, FEATURES, gain],
            "seed": seed,
            "radii": RADII,
        }
        slug = candidate.name.lower().replace(" ", "-").replace(",", "")
        result = finished_or(self.folder / f"{slug}-{rate}-{gain}-{seed}.json", settings, run)
        validation = result["validation"]
        shares = ", ".join(f"{100 * share:.1f}" for share in validation["certified"].values())
        print(
            f"{candidate.name}, rate {rate}, gain {gain}, seed {seed}: validation "
            f"{100 * validation['clean']:.1f}, certified {shares}",
            flush=True,
        )
        return result

    def choose(self, candidate: Candidate) -> tuple[float, float]:
        """Learning rate and gain of the highest mean certified accuracy on validation data."""

        def score(choice):
            validation = self.train(candidate, *choice, SELECTION_SEED)["validation"]
            return float(np.mean(list(validation["certified"].values())))

        return max(itertools.product(LEARNING_RATES, candidate.gains), key=score)

    def result(self, candidate: Candidate, seeds: int) -> dict:
        """What is reported of a candidate."""
        rate, gain = self.choose(candidate)
        runs = [self.train(candidate, rate, gain, seed) for seed in range(seeds)]
        tests = [run["test"] for run in runs]
        return {
            "learning_rate": rate,
            "gain": gain,
            "train_gain": candidate.train_gain,
            "gains_after_training": [run["gains"] for run in runs if run["gains"]],
            "parameters": runs[0]["parameters"],
            "largest_bound": max(run["bound"] for run in runs),
            "clean": mean_and_interval([test["clean"] for test in tests]),
            "certified": {
                radius: mean_and_interval([test["certified"][radius] for test in tests])
                for radius in map(str, RADII)
            },
        }


def compare(results: dict, reference: str) -> None:
    """Adds to each network its difference from one of them, seed by seed."""
    for row in results.values():
        row["certified_less_reference"] = {
            radius: mean_and_interval(
                np.subtract(share["values"], results[reference]["certified"][radius]["values"])
            )
            for radius, share in row["certified"].items()
        }


def main(arguments=None):
    """Writes results and figure, and prints every training."""
    parser = argparse.ArgumentParser(prog="python -m studies.activations", description=__doc__)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=RUNS / "activations", help="finished runs")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    options = parser.parse_args(arguments)
    study = Study(options.epochs, options.runs)
    networks = {c.name: study.result(c, options.seeds) for c in CANDIDATES}
    compare(networks, CANDIDATES[0].name)
    results = {
        "recipe_sha256": small_recipe({}, options.epochs).sha256(),
        "depth": DEPTH,
        "features": FEATURES,
        "epochs": options.epochs,
        "seeds": options.seeds,
        "test_examples": len(study.dataset.test),
        "reference": CANDIDATES[0].name,
        "networks": networks,
    }
    write_json(options.output / "activations.json", results)
    write_figure(options.output / "activations.png", draw(networks))


def draw(networks: dict):
    """Certified accuracy at each radius: every seed, and the interval of the mean."""
    figure = new_figure(9.0, 3.9, "studies.activations")
    names = list(networks)
    panels = figure.subplots(1, len(RADII), sharey=True)
    for axes, (radius, colour) in zip(panels, COLOURS.items(), strict=True):
        for place, name in enumerate(names):
            share = networks[name]["certified"][radius]
            values = 100 * np.asarray(share["values"])
            label = "each seed" if place == 0 else None
            heights = np.full(len(values), place + 0.22)
            axes.plot(values, heights, "d", color=GREY, markersize=3.5, label=label)
            axes.errorbar(
                100 * share["mean"],
                place,
                xerr=100 * share["half_width"],
                fmt="o",
                color=colour,
                capsize=3,
                markersize=5,
                label="mean, 95 % interval" if place == 0 else None,
            )
        axes.set_title(f"radius {radius}", color=INK, fontsize=10)
        axes.set_xlabel("certified accuracy in %")
        decorate(axes)
        axes.grid(axis="x", alpha=0.25)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    handles, labels = panels[-1].get_legend_handles_labels()
    settings = {"ncols": 2, "frameon": False, "fontsize": 8, "labelcolor": INK}
    figure.legend(handles, labels, loc="outside lower center", **settings)
    return figure


if __name__ == "__main__":
    main()
