"""`python -m studies.other_norms`: how loose l1 and l-infinity radii are that follow from l2.

Writes studies/other_norms.json. For test examples that are classified correctly and certified,
the radius of each norm is compared with the distance in that norm to the nearest input found that
is classified otherwise: by foolbox's gradient attack of that norm (l1: sparse descent,
arXiv 1904.13000) at a grid of radii, then by bisection. Their ratio is at least 1, or the radius is
wrong; how much of it is the attack's failure is not known. The ratio in l2 says what the
certificate itself loses, so what the other two lose more is the price of the inequality between
norms. For a network that is linear between the example and the boundary that price has a closed
form, from the gradient g of the margin:

    l1: ||g||_2 / ||g||_inf,    linf: sqrt(d) ||g||_2 / ||g||_1.

Run where the recipes' data lie.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
from keras import ops

import lipzoo
from lipzoo.autodiff.input_gradients import value_and_input_gradient
from lipzoo.certificates.norms import NORMS
from lipzoo.evaluation.attacks.base import Target
from lipzoo.evaluation.attacks.foolbox_attacks import foolbox_model, import_foolbox
from lipzoo.evaluation.balls import difference
from lipzoo.evaluation.bisection import bisect
from lipzoo.evaluation.margins import margin_loss, margin_scale
from lipzoo.training import load_data, read_recipe
from lipzoo.training.run_folder import write_json
from lipzoo_catalogue.files import RECIPE
from lipzoo_catalogue.registry import model_folder
from studies.recipe_data import add_data_option, working_where_the_data_lie

RESULTS = Path(__file__).with_name("other_norms.json")
STEPS = 30
# Attacked at these multiples of the median radius, a factor of 1.5 apart.
MULTIPLES = tuple(1.5**power for power in range(1, 10))
BISECTIONS = 10
QUANTILES = (0.1, 0.5, 0.9)


def measure(name: str, samples: int, data=()) -> dict:
    """Radii and distances found of one model, at a seeded sample of its test data.

    Args:
        name: the model.
        samples: number of examples.
        data: folders in which the recipe's files may lie.
    """
    recipe = read_recipe(model_folder(name) / RECIPE)
    with working_where_the_data_lie(recipe, data):
        dataset = load_data(recipe.data)
    x, y = dataset.inputs(dataset.test), dataset.test.y
    chosen = np.random.default_rng(0).permutation(len(x))[:samples]
    x, y = x[chosen], y[chosen]
    model = lipzoo.load(name)
    certificate = lipzoo.certify(model, x, y, reference=None, verbose=0)
    kept = (certificate.prediction == y) & (certificate.radius > 0)
    x, y = x[kept], y[kept]
    is_image = len(dataset.input_shape) == 3
    clip = (0.0, 1.0) if is_image else None
    target = Target(model, x, y, clip, len(x), margin_scale(certificate.logits))
    prices = linear_prices(model, x, y)
    rows = {}
    for norm in NORMS:
        radii = certificate.in_norm(norm).radius[kept]
        found = nearest_found(target, norm, radii)
        ratios = found / radii
        if ratios.min() < 1:
            raise RuntimeError(f"{name}: an {norm} radius is refuted, which is a bug")
        reached = np.isfinite(ratios)
        rows[norm] = {
            "reached": int(reached.sum()),
            "median_radius": float(np.median(radii)),
            "median_found": float(np.median(found)),
            "ratio": dict(
                zip(map(str, QUANTILES), np.quantile(ratios[reached], QUANTILES), strict=True)
            ),
            "linear_price": float(np.median(prices[norm])),
        }
    return {"examples": len(x), "input_size": x[0].size, "norms": rows}


def nearest_found(target: Target, norm: str, radii) -> np.ndarray:
    """Distance of each example to the nearest input found that loses its label, else infinity."""
    foolbox = import_foolbox()
    attack = {
        "l1": foolbox.attacks.SparseL1DescentAttack,
        "l2": foolbox.attacks.L2ProjectedGradientDescentAttack,
        "linf": foolbox.attacks.LinfProjectedGradientDescentAttack,
    }[norm](steps=STEPS, rel_stepsize=2.5 / STEPS)
    order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
    attacked = foolbox_model(foolbox, target)
    x, labels = (ops.convert_to_tensor(array) for array in (target.x, target.prediction))
    criterion = foolbox.criteria.Misclassification(labels)

    def lost(inputs):
        return target.margins(inputs, target.prediction) <= 0

    nearest = np.full(len(target.x), np.inf)
    for radius in np.median(radii) * np.array(MULTIPLES):
        points = ops.convert_to_numpy(attack.run(attacked, x, criterion, epsilon=float(radius)))
        reached = lost(points)
        points = bisect(target.x, points, lost, BISECTIONS)
        moved = difference(points, target.x).reshape(len(points), -1)
        nearest = np.where(
            reached, np.minimum(nearest, np.linalg.norm(moved, order, axis=1)), nearest
        )
    return nearest


def linear_prices(model: keras.Model, x, y) -> dict:
    """What the inequality between norms loses at a margin with the gradient at each example."""
    _, gradient = value_and_input_gradient(margin_loss(model))(x, y)
    flat = np.abs(gradient.astype("float64")).reshape(len(x), -1)
    length = np.linalg.norm(flat, axis=1)
    return {
        "l1": length / flat.max(axis=1),
        "l2": np.ones(len(x)),
        "linf": np.sqrt(flat.shape[1]) * length / flat.sum(axis=1),
    }


def models() -> list[str]:
    """The networks of the zoo whose radii are worth a comparison."""
    return [name for name in lipzoo.list_models() if name.startswith("gradflow-")]


def main(arguments=None):
    """Writes the results, model by model."""
    parser = argparse.ArgumentParser(prog="python -m studies.other_norms", description=__doc__)
    parser.add_argument("--only", action="append", help="a model to measure anew, the rest kept")
    parser.add_argument("--samples", type=int, default=100)
    add_data_option(parser)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    known = json.loads(options.output.read_text())["models"] if options.output.exists() else {}
    for name in options.only or models():
        known[name] = measure(name, options.samples, options.data)
        print(name, known[name], flush=True)
        kept = {name: known[name] for name in models() if name in known}
        write_json(options.output, {"models": kept})


if __name__ == "__main__":
    main()
