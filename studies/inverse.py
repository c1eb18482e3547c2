"""`python -m studies.inverse`: reconstructions beside classical and unconstrained ones.

For each InvNet of the zoo: error, proven bound and worst movement found, beside Tikhonov, total
variation and an unconstrained network of the same size, which is trained by the model's own recipe
where runs/unconstrained does not hold it yet; and the errors at other noise than the trained one.
Writes studies/inverse.json and a figure for each model. The data are those of the recipes; the
X-rays are read from pneumoniamnist.npz in the folder where this runs.
"""

import argparse
import json
from pathlib import Path

import tomlkit

from lipzoo import training, zoo
from lipzoo.inverse.tikhonov_reconstruction import tikhonov
from lipzoo.inverse.total_variation.reconstruction import total_variation
from lipzoo.training.recipe import parse_document
from lipzoo.training.run_folder import write_figure, write_json
from lipzoo.training.tasks import comparison, task_of
from studies.inverse_figure import draw

HERE = Path(__file__).parent
RESULTS = HERE / "inverse.json"
RUNS = Path("runs") / "unconstrained"
# Factors on the noise of the recipe.
FACTORS = (0.5, 1.0, 2.0, 4.0)
# Test examples of the study of other noise.
EXAMPLES = 300
FREE = "unconstrained"


def unconstrained_recipe(text: str) -> str:
    """The recipe of the unconstrained network with as many parameters."""
    recipe = parse_document(text)
    # What it says of the model is not true of this one.
    recipe.pop("description", None)
    recipe["name"] = f"{recipe['name']}-{FREE}"
    recipe["model"]["architecture"] = "UnrolledNet"
    recipe["model"]["arguments"]["filters"] //= 2
    return tomlkit.dumps(recipe)


def unconstrained(name: str, text: str):
    """The unconstrained network of a recipe, trained if it is not there."""
    folder = RUNS / name
    if not (folder / "metrics.json").exists():
        training.train(unconstrained_recipe(text), folder, resume=True)
    return zoo.load(folder.absolute())


def study(name: str, figure_folder: Path) -> dict:
    """Everything that is reported of one model."""
    folder = zoo.model_folder(name)
    text = (folder / "recipe.toml").read_text(encoding="utf-8")
    recipe = training.parse_recipe(text)
    task = task_of(recipe, training.load_data(recipe.data))
    networks = {name: zoo.load(name), FREE: unconstrained(name, text)}
    table = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["test"]
    y, x = task.test()
    methods = dict(table["methods"])
    methods[FREE] = comparison.network_row(networks[FREE], y, x, table["perturbation"])
    noise = {str(factor): at_noise(task, networks, factor) for factor in FACTORS}
    figure = draw(name, task, networks, table, noise)
    write_figure(figure_folder / f"{name}.png", figure, dpi=110)
    return {**table, "methods": methods, "psnr_at_noise": noise}


def redraw(name: str, results: dict, folder: Path) -> None:
    """Draws what was measured before; the unconstrained network's pictures where it is at hand."""
    text = (zoo.model_folder(name) / "recipe.toml").read_text(encoding="utf-8")
    recipe = training.parse_recipe(text)
    task = task_of(recipe, training.load_data(recipe.data))
    networks = {name: zoo.load(name)}
    if (RUNS / name / "metrics.json").exists():
        networks[FREE] = unconstrained(name, text)
    figure = draw(name, task, networks, results, results["psnr_at_noise"])
    write_figure(folder / f"{name}.png", figure, dpi=110)


def at_noise(task, networks: dict, factor: float) -> dict:
    """PSNR of every method with the noise multiplied, the classical ones tuned for that noise."""
    y, x = (part[:EXAMPLES] for part in task.measured("test", factor))
    alpha, weight = comparison.select(task, factor)
    images = {name: model.predict(y, verbose=0) for name, model in networks.items()}
    images["Tikhonov"] = tikhonov(task.operator, y, alpha)
    images["TV"] = total_variation(task.operator, y, weight).images
    return {name: comparison.errors(found, x)["psnr"] for name, found in images.items()}


def main(arguments=None):
    """Writes results and figures, and prints what was measured."""
    parser = argparse.ArgumentParser(prog="python -m studies.inverse", description=__doc__)
    parser.add_argument("names", nargs="*", help="models (default: every InvNet of the zoo)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    parser.add_argument("--draw", action="store_true", help="draw what was measured before")
    options = parser.parse_args(arguments)
    path = options.output / RESULTS.name
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in options.names or zoo.list_models("invnet-*"):
        if options.draw:
            redraw(name, results[name], options.output)
            continue
        results[name] = study(name, options.output)
        write_json(path, dict(sorted(results.items())))
        for method, row in results[name]["methods"].items():
            bound = row["lipschitz_bound"]
            shown = "none" if bound is None else f"{bound:.4g}"
            print(f"{name:<24}{method:<24}{row['psnr']:6.2f} dB   bound {shown}", flush=True)
        for factor, row in results[name]["psnr_at_noise"].items():
            psnr = ", ".join(f"{method} {value:.2f}" for method, value in row.items())
            print(f"{name:<24}noise x {factor}: {psnr}", flush=True)


if __name__ == "__main__":
    main()
