"""`python -m studies.tradeoff`: error against certified stability, for InvNet and Tikhonov.

Trains InvNets of several proven bounds on the signals of recipes/invnet-deblur1d.toml, shorter and
smaller than the recipe's, and compares each with Tikhonov's reconstruction of the same bound.
Writes studies/tradeoff.json and studies/tradeoff.png.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

from lipzoo import InvNet
from lipzoo.bounds import lipschitz_bound
from lipzoo.inverse.tikhonov_reconstruction import alpha_for_bound, tikhonov
from lipzoo.plotting import CERTIFIED, INK, decorate, legend, new_figure
from lipzoo.training import load_data, read_recipe
from lipzoo.training.batches import EpochStart
from lipzoo.training.run_folder import write_figure, write_json
from lipzoo.training.tasks import comparison, task_of
from studies.inverse_figure import STYLES
from studies.short_training import compile_short

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "invnet-deblur1d.toml"
BOUNDS = (1.5, 2.5, 4.0, 6.0, 9.0)
SIZE = {"steps": 10, "flows": 1, "width": 16, "filters": 32, "kernel_size": 5}


def settings_for(operator, bound: float) -> dict:
    """The α and τ with which half of the bound's square is Tikhonov's and half the data steps'."""
    share = bound / np.sqrt(2)
    each = share**2 / (SIZE["steps"] - 1)
    # τ / (2 - τ‖A‖²) = each
    step_size = 2 * each / (1 + each * operator.norm_bound**2)
    return {"alpha": alpha_for_bound(operator, share), "step_size": float(step_size)}


def train(recipe, task, bound: float, epochs: int):
    """A small InvNet of one proven bound, trained by the recipe's optimizer."""
    keras.utils.set_random_seed(recipe.seed)
    model = InvNet(task.operator, **SIZE, **settings_for(task.operator, bound))
    batches = task.batches()
    compile_short(model, recipe, epochs * len(batches))
    callbacks = [EpochStart(batches, recipe.training.augment_at)]
    model.fit(batches, epochs=epochs, shuffle=False, callbacks=callbacks, verbose=0)
    return model


def main(arguments=None):
    """Writes results and figure, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m studies.tradeoff", description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    options = parser.parse_args(arguments)
    recipe = read_recipe(RECIPE)
    task = task_of(recipe, load_data(recipe.data))
    y, x = task.test()
    points = []
    for target in BOUNDS:
        model = train(recipe, task, target, options.epochs)
        bound = lipschitz_bound(model).value
        alpha = alpha_for_bound(task.operator, bound)
        points.append(
            {
                "bound": bound,
                "InvNet": comparison.errors(model.predict(y, verbose=0), x)["psnr"],
                "Tikhonov": comparison.errors(tikhonov(task.operator, y, alpha), x)["psnr"],
            }
        )
        print("  ".join(f"{key} {value:.3f}" for key, value in points[-1].items()), flush=True)
    results = {
        "recipe_sha256": recipe.sha256(),
        "epochs": options.epochs,
        "examples": len(x),
        "points": points,
    }
    write_json(options.output / "tradeoff.json", results)
    write_figure(options.output / "tradeoff.png", draw(points))


def draw(points):
    """PSNR over the proven bound, for both."""
    figure = new_figure(6.4, 4.0, "studies.tradeoff")
    axes = figure.subplots()
    bounds = [point["bound"] for point in points]
    styles = {"InvNet": {"color": CERTIFIED, "marker": "o"}, "Tikhonov": STYLES["Tikhonov"]}
    for name, style in styles.items():
        axes.plot(bounds, [point[name] for point in points], label=name, **style)
    axes.set_xlabel("proven Lipschitz bound, measurement to reconstruction")
    axes.set_ylabel("PSNR in dB")
    axes.set_title("Deblurring signals: error against stability", color=INK, fontsize=11)
    decorate(axes)
    legend(axes)
    return figure


if __name__ == "__main__":
    main()
