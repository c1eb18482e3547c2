"""`python -m benchmarks.beyond`: the models of sequences and tables beside other methods.

Writes benchmarks/beyond.json; with `--record` the comparison also goes into each model's metrics,
for its card. Run where the recipes' data lie. Radii are l2, in the units that the other methods see
too: standard deviations where the recipe standardises, else the units of the data.

* logistic regression: scores are linear, so its radius `min_j (f_y - f_j) / ||w_y - w_j||` is
  exact; accuracy under the best attack is the certified one;
* one nearest neighbour: with d the distance to the nearest training example of the same class as
  the prediction and d' that of any other, both 1-Lipschitz, nothing within (d' - d) / 2 changes it;
* random forest and the plain network of the same widths: nothing is proven.

What is not proven is attacked: every method by bisection towards the nearest examples that it
classifies otherwise, networks by projected gradient ascent, too. Choices (regularisation, learning
rate of the plain network) are made on the validation split.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.certificates.standardized import standardization
from lipzoo.evaluation.balls import difference, norms
from lipzoo.evaluation.bisection import bisect
from lipzoo.training import load_data, read_recipe
from lipzoo.training.batches import Batches, EpochStart
from lipzoo.training.checkpoint import write_json
from lipzoo.training.model import build_model, compile_model
from lipzoo_catalogue.files import METRICS
from lipzoo_catalogue.sources import find

RESULTS = Path(__file__).with_name("beyond.json")
RECIPES = Path(__file__).parents[1] / "recipes"
RADII = {
    "gradflow-breastcancer": (0.25, 0.5, 1.0),
    "gradflow-phoneme": (0.02, 0.05, 0.1),
    "gradflow-pneumonia": (0.1, 0.25, 0.5),
    "gradflow-ecg200": (0.25, 0.5, 1.0),
    "gradflow-powercons": (0.5, 1.0, 2.0),
    "gradflow-syntheticcontrol": (0.25, 0.5, 1.0),
}
RATES = (1e-3, 3e-3)
NEIGHBOURS = 10
BISECTIONS = 16
ATTACK = f"bisection towards {NEIGHBOURS} examples of other classes; networks also PGD, 100 steps"


def measure(name: str) -> dict:
    """The comparison of one model, as `lipzoo_catalogue.comparison` reads it."""
    recipe = read_recipe(RECIPES / f"{name}.toml")
    dataset = load_data(recipe.data)
    splits = (dataset.train, dataset.validation, dataset.test)
    x, z, w = (dataset.inputs(split) for split in splits)
    y, u, v = (split.y for split in splits)
    model, raw, scaling = lipzoo.load(name), w, None
    units = recipe.registry.units
    if recipe.data.standardize:
        scaling, units = standardization(model), "standard deviations"
        x, z, w = (((a - scaling.mean) / scaling.deviation).astype("float32") for a in (x, z, w))
    rest = model if scaling is None else after_standardization(model)

    def radii(*_):
        standardized = scaling is not None
        return lipzoo.certify(model, raw, standardized=standardized, verbose=0).radius

    methods = {name: (logits_of(rest), rest, radii)}
    plain = plain_network(recipe, (x, y), (z, u), dataset)
    methods["plain network of the same widths"] = (logits_of(plain), plain, None)
    methods |= classical((x, y), (z, u), dataset.num_classes)
    rows = [row(label, *method, RADII[name], w, v) for label, method in methods.items()]
    return {"radii": list(RADII[name]), "units": units, "attack": ATTACK, "methods": rows}


def after_standardization(model) -> keras.Model:
    """The network that follows the layer with which a model standardises its input."""
    layer = next(a for a in model.layers if isinstance(a, keras.layers.Normalization))
    return keras.Model(layer.output, model.output)


def logits_of(model):
    """A function from inputs to logits, as NumPy arrays."""
    return lambda inputs: model.predict(inputs, batch_size=1024, verbose=0)


def plain_network(recipe, train, validation, dataset) -> keras.Model:
    """An unconstrained network of the same widths, its learning rate chosen on validation data."""
    arguments = recipe.model.arguments
    common = {"input_shape": dataset.input_shape, "num_classes": dataset.num_classes}
    if len(dataset.input_shape) == 1:
        shape = {"width": arguments["features"], "depth": arguments["dense_depth"]}
        build = ("MLP", {**common, **shape, "activation": "relu"})
    else:
        shape = {"width": arguments["width"], "depth": 6, "stem": arguments["stem"]}
        build = ("ResNet", {**common, **shape, "activation": "relu"})
    loss = dataclasses.replace(recipe.training.loss, epsilon=0.0, temperature=1.0)
    best, highest = None, -1.0
    for rate in RATES:
        keras.utils.set_random_seed(recipe.seed)
        training = dataclasses.replace(recipe.training, learning_rate=rate, loss=loss)
        model = build_model(*build)
        split = dataclasses.replace(dataset.train, x=train[0])
        batches = Batches(split, 1.0, training.batch_size, recipe.seed, training.augment)
        compile_model(model, training, len(batches), {})
        callbacks = [EpochStart(batches, training.augment_at)]
        model.fit(batches, epochs=training.epochs, shuffle=False, callbacks=callbacks, verbose=0)
        accuracy = np.mean(logits_of(model)(validation[0]).argmax(axis=1) == validation[1])
        if accuracy > highest:
            best, highest = model, accuracy
    return best


def classical(train, validation, classes) -> dict:
    """The methods of scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    flat = [a.reshape(len(a), -1) for a in (train[0], validation[0])]
    linear = max(
        (LogisticRegression(C=c, max_iter=5000).fit(flat[0], train[1]) for c in (0.01, 0.1, 1, 10)),
        key=lambda fitted: fitted.score(flat[1], validation[1]),
    )
    forest = RandomForestClassifier(500, random_state=0).fit(flat[0], train[1])
    nearest = KNeighborsClassifier(1).fit(flat[0], train[1])
    one_hot = np.eye(classes)
    scores, weights = linear_scores(linear)
    return {
        "logistic regression": (scores, None, Linear(weights)),
        "random forest": (lambda a: forest.predict_proba(a.reshape(len(a), -1)), None, None),
        "one nearest neighbour": (
            lambda a: one_hot[nearest.predict(a.reshape(len(a), -1))],
            None,
            Nearest(flat[0], train[1]),
        ),
    }


def linear_scores(fitted):
    """Scores of a logistic regression and their weights, one row per class, also for two."""
    weights, biases = fitted.coef_.astype("float64"), fitted.intercept_
    if len(weights) == 1:
        weights, biases = np.concatenate([0 * weights, weights]), np.append(0.0, biases)

    def scores(inputs):
        return inputs.reshape(len(inputs), -1).astype("float64") @ weights.T + biases

    return scores, weights


def row(label, scores, network, proof, radii, w, v) -> dict:
    """One method's line: clean, certified and attacked shares."""
    logits = np.asarray(scores(w), dtype="float64")
    prediction = logits.argmax(axis=1)
    correct = prediction == v
    radius = None if proof is None else proof(scores, w, prediction)
    certified = shares = None
    if radius is not None:
        certified = [float(np.mean(correct & (radius > r))) for r in radii]
    if isinstance(proof, Linear):
        shares = certified
    else:
        found = bisected(scores, w, prediction)
        shares = []
        for r in radii:
            lost = found <= r
            if network is not None:
                options = {"steps": 100, "restarts": 3, "clip": None}
                lost |= lipzoo.evaluation.pgd_attack(network, w, prediction, r, **options).success
            shares.append(float(np.mean(correct & ~lost)))
            if radius is not None and np.any(lost & (radius > r)):
                raise RuntimeError(f"{label}: a radius above {r} is refuted, which is a bug")
    return {
        "name": f"**`{label}`**" if network is not None and proof is not None else label,
        "clean": float(np.mean(correct)),
        "interval": wilson(int(correct.sum()), len(v)),
        "certified": certified,
        "attacked": shares,
    }


class Linear:
    """Exact radii of linear scores."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, scores, w, prediction):
        """`min_{j≠y} (f_y - f_j) / ||w_y - w_j||` of every example."""
        logits, points = scores(w), np.arange(len(w))
        margins = logits[points, prediction][:, None] - logits
        apart = np.linalg.norm(self.weights[prediction][:, None] - self.weights, axis=2)
        margins[points, prediction], apart[points, prediction] = np.inf, 1.0
        return (margins / apart).min(axis=1)


class Nearest:
    """Radii of the one nearest neighbour among known examples."""

    def __init__(self, known, labels):
        self.known, self.labels = known, labels

    def __call__(self, scores, w, prediction):
        """`(d' - d) / 2` of every example."""
        distances = distances_between(w.reshape(len(w), -1), self.known)
        same = self.labels == prediction[:, None]
        own = np.where(same, distances, np.inf).min(axis=1)
        return (np.where(same, np.inf, distances).min(axis=1) - own) / 2


def distances_between(first, second):
    """Euclidean distances of every row of one array to every row of another."""
    from scipy.spatial.distance import cdist

    return cdist(first.astype("float64"), second.astype("float64"))


def bisected(scores, w, prediction):
    """Distances to inputs that are classified otherwise, on segments to such examples."""

    def lost(inputs):
        return np.asarray(scores(inputs)).argmax(axis=1) != prediction

    flat = w.reshape(len(w), -1)
    distances = distances_between(flat, flat)
    distances[prediction[:, None] == prediction] = np.inf
    found = np.full(len(w), np.inf)
    for place in np.argsort(distances, axis=1)[:, :NEIGHBOURS].T:
        start = np.isfinite(distances[np.arange(len(w)), place])
        away = bisect(w, w[place], lost, BISECTIONS)
        found = np.minimum(found, np.where(start, norms(difference(away, w)), np.inf))
    return found


def wilson(count, total) -> list[float]:
    """95 % interval of a share (Wilson's score)."""
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci(method="wilson")
    return [float(interval.low), float(interval.high)]


def main(arguments=None):
    """Writes the results, model by model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beyond", description=__doc__)
    parser.add_argument("--only", action="append", help="a model to compare anew, the rest kept")
    parser.add_argument("--record", action="store_true", help="write into the models' metrics, too")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    known = json.loads(options.output.read_text())["models"] if options.output.exists() else {}
    for name in options.only or RADII:
        known[name] = measure(name)
        for entry in known[name]["methods"]:
            print(name, entry, flush=True)
        write_json(options.output, {"models": {key: known[key] for key in RADII if key in known}})
        if options.record:
            source = find(name)
            metrics = json.loads(source.read(METRICS))
            write_json(source.path(METRICS), {**metrics, "comparison": known[name]})
            lipzoo.zoo.promote(source.folder, name)


if __name__ == "__main__":
    main()
