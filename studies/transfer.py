"""`python -m studies.transfer`: certified accuracy on other data, predicted without labels.

Predictors that know labelled source data and the radii on unlabelled target data are compared with
what is measured: on test data, on shifted Fashion-MNIST, and with features of one data set under a
head refitted to another one. Writes studies/transfer.json and studies/transfer.png. A study
that was interrupted goes on where it was.
"""

import argparse
from functools import partial
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.layers import SpectralDense
from lipzoo.training import load_data, read_recipe
from lipzoo.training.run_folder import write_figure, write_json
from studies.activations import CANDIDATES, build
from studies.predictors import Radii, floor, predictions
from studies.shifts import SEVERITIES, displacement, shifted
from studies.small_classifiers import (
    HERE,
    RUNS,
    finished_or,
    mean_and_interval,
    small_recipe,
    train_small,
)
from studies.transfer_figure import draw

EPSILONS = (0.0, 0.25, 0.5, 1.0)
FLAGSHIP, DIGITS = "gradflow-fmnist", "gradflow-mnist"
WEIGHTS = HERE.parent / "weights"
# Test images of each target; labelled images that a head is fitted to.
TESTED, FITTED = 4000, 2000


def radii(model, x, y) -> Radii:
    """Certified radii of a model, rounding included."""
    certificate = lipzoo.certify(model, x, y, reference=None, verbose=0)
    return Radii(certificate.radius, certificate.prediction == y)


def row(source: Radii, target: Radii, **more) -> dict:
    """Measured and predicted certified accuracies of one target."""
    measured = {str(epsilon): target.certified_accuracy(epsilon) for epsilon in EPSILONS}
    return {
        "clean": float(np.mean(target.correct)),
        "measured": measured,
        "predicted": {**predictions(source, target.radius, EPSILONS), **more},
    }


def under_shift(model, source, test) -> dict:
    """Test data and shifted test data, predicted from source data.

    Args:
        model: the classifier.
        source: labelled images and labels that it was not trained on.
        test: images and labels of the target before the shift.
    """
    known = radii(model, *source)
    rows = {"test": row(known, radii(model, *test))}
    for kind, severities in SEVERITIES.items():
        for severity in severities:
            target = radii(model, shifted(test[0], kind, severity, seed=1), test[1])
            moved_by = displacement(source[0], shifted(source[0], kind, severity, seed=2))
            lowest = {str(epsilon): floor(known, moved_by, epsilon) for epsilon in EPSILONS}
            rows[f"{kind} {severity}"] = row(known, target, floor=lowest)
    return rows


def held_out(dataset):
    """Inputs and labels of the validation split, and of the first examples of the test split."""
    validation = dataset.inputs(dataset.validation), dataset.validation.y
    return validation, (dataset.inputs(dataset.test)[:TESTED], dataset.test.y[:TESTED])


def small_network(dataset, epochs: int, seed: int) -> dict:
    """A small ReLU network trained with one seed, on its own training data and under shift."""
    keras.backend.clear_session()
    recipe = small_recipe({}, epochs)
    model = train_small(recipe, dataset, seed, lambda: build(CANDIDATES[0], 1.0))
    validation, test = held_out(dataset)
    seen = radii(model, dataset.inputs(dataset.train)[:TESTED], dataset.train.y[:TESTED])
    rows = under_shift(model, validation, test)
    return {"test, from training data": row(seen, radii(model, *test)), **rows}


def refitted(name: str, source, target, seed: int) -> dict:
    """Features of a zoo model with a head fitted to other data, measured on these.

    The source is the zoo model with its own head on its own validation data. `fitted` is the
    certified accuracy on the very examples that the head was fitted to.
    """
    keras.backend.clear_session()
    body = lipzoo.load(name, include_top=False)
    known = radii(lipzoo.load(name), *held_out(source)[0])
    picked = np.random.default_rng(seed).permutation(len(target.train))[:FITTED]
    x, y = target.inputs(target.train)[picked], target.train.y[picked]
    keras.utils.set_random_seed(seed)
    head = SpectralDense(target.num_classes, name="head")
    features = body.predict(x, verbose=0)
    on_features = keras.Sequential([keras.Input(features.shape[1:]), head])
    loss = read_recipe(WEIGHTS / name / "recipe.toml").training.loss
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 50 * (FITTED // 200), alpha=0.01)
    on_features.compile(
        keras.optimizers.Adam(rate), lipzoo.OffsetCrossEntropy(loss.epsilon, loss.temperature)
    )
    on_features.fit(features, y, batch_size=200, epochs=50, verbose=0)
    model = keras.Model(body.input, head(body.output))
    _, test = held_out(target)
    seen = radii(model, x, y)
    fitted = {str(epsilon): seen.certified_accuracy(epsilon) for epsilon in EPSILONS}
    return {"refitted": row(known, radii(model, *test), fitted=fitted)}


def studies(fashion, digits, epochs: int, seeds: int) -> dict:
    """The runs of each study: `(file name, function)` by the study's name in tables."""

    def flagship():
        return under_shift(lipzoo.load(FLAGSHIP), *held_out(fashion))

    def each_seed(slug, run, *arguments):
        return [(f"{slug}-{seed}", partial(run, *arguments, seed)) for seed in range(seeds)]

    return {
        "small": each_seed("small", small_network, fashion, epochs),
        FLAGSHIP: [("flagship", flagship)],
        "features of Fashion-MNIST, head of MNIST": each_seed(
            "to-mnist", refitted, FLAGSHIP, fashion, digits
        ),
        "features of MNIST, head of Fashion-MNIST": each_seed(
            "to-fashion", refitted, DIGITS, digits, fashion
        ),
    }


def over_seeds(results: list[dict]) -> dict:
    """Joins the results of several seeds: means and intervals in place of the numbers."""
    first = results[0]
    if isinstance(first, dict):
        return {key: over_seeds([result[key] for result in results]) for key in first}
    return mean_and_interval(results) if len(results) > 1 else {"mean": first, "values": [first]}


def mean_errors(networks: dict) -> dict:
    """Mean absolute error of each predictor over the targets of a kind, by ε."""
    errors = {}
    for rows in networks.values():
        for target, entry in rows.items():
            kind = kind_of(target)
            for name, shares in entry["predicted"].items():
                for epsilon, share in shares.items():
                    measured = entry["measured"][epsilon]["values"]
                    error = np.abs(np.subtract(share["values"], measured))
                    place = errors.setdefault(kind, {}).setdefault(name, {})
                    place.setdefault(epsilon, []).extend(error.tolist())
    return {
        kind: {
            name: {epsilon: float(np.mean(values)) for epsilon, values in by_epsilon.items()}
            for name, by_epsilon in by_name.items()
        }
        for kind, by_name in errors.items()
    }


def kind_of(target: str) -> str:
    """The kind of a target: its name without the severity."""
    return target.split(" ")[0] if target.split(" ")[0] in SEVERITIES else target


def main(arguments=None):
    """Writes results and figure, and prints the mean errors."""
    parser = argparse.ArgumentParser(prog="python -m studies.transfer", description=__doc__)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=RUNS / "transfer", help="finished runs")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    options = parser.parse_args(arguments)
    fashion, digits = (
        load_data(read_recipe(WEIGHTS / name / "recipe.toml").data) for name in (FLAGSHIP, DIGITS)
    )
    recipe = small_recipe({}, options.epochs)
    settings = {
        "recipe": recipe.sha256(),
        "data": [fashion.fingerprint(), digits.fingerprint()],
        "epsilons": EPSILONS,
        "severities": SEVERITIES,
        "sizes": [TESTED, FITTED],
    }
    networks = {}
    for name, runs in studies(fashion, digits, options.epochs, options.seeds).items():
        found = []
        for slug, run in runs:
            found.append(finished_or(options.runs / f"{slug}.json", settings, run))
            print(f"{slug}: done", flush=True)
        networks[name] = over_seeds(found)
    results = {
        "recipe_sha256": recipe.sha256(),
        "epochs": options.epochs,
        "seeds": options.seeds,
        "test_examples": TESTED,
        "fitted_examples": FITTED,
        "networks": networks,
        "mean_absolute_error": mean_errors(networks),
    }
    write_json(options.output / "transfer.json", results)
    write_figure(options.output / "transfer.png", draw(networks))
    for kind, by_name in results["mean_absolute_error"].items():
        shown = {n: [round(100 * v, 1) for v in e.values()] for n, e in by_name.items()}
        print(f"{kind:<26} mean absolute error in points at {EPSILONS}: {shown}")


if __name__ == "__main__":
    main()
