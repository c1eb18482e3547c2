"""`python -m studies.beyond`: the models of sequences and tables beside other methods.

Writes studies/beyond.json; with `--record` the comparison also goes into each model's metrics,
for its card. `--data` says where the recipes' data lie. Radii are l2, in the units that the other
methods see too: standard deviations where the recipe standardises, else the units of the data.

* logistic regression: scores are linear, so its radius `min_j (f_y - f_j) / ||w_y - w_j||` is
  exact; accuracy under the best attack is the certified one;
* one nearest neighbour: an input nearer to a training example z of the class y than to any z' of
  another class is classified as y, and its distance to the bisecting plane of z and z' is
  `(||x - z'||^2 - ||x - z||^2) / (2 ||z - z'||)`: the radius is the smallest over all z', for the
  best of the nearest z;
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
from lipzoo.certificates.standardization import standardization
from lipzoo.evaluation.balls import difference, norms
from lipzoo.evaluation.bisection import bisect
from lipzoo.training import load_data, read_recipe
from lipzoo.training.batches import Batches, EpochStart
from lipzoo.training.model import build_model, compile_model
from lipzoo.training.run_folder import write_json
from lipzoo_catalogue.files import METRICS
from lipzoo_catalogue.model_source import find
from studies.recipe_data import add_data_option, working_where_the_data_lie

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
PLAIN = "plain network of the same widths"
CLASSICAL = ("logistic regression", "random forest", "one nearest neighbour")
RATES = (1e-3, 3e-3)
NEIGHBOURS = 10
BISECTIONS = 16
ATTACK = f"bisection towards {NEIGHBOURS} examples of other classes; networks also PGD, 100 steps"


def measure(name: str, chosen=None, known=None, folders=()) -> dict:
    """The comparison of one model, as `lipzoo_catalogue.comparison` reads it.

    Args:
        name: the model.
        chosen: classical methods to measure anew, the other rows taken from `known`; None for all.
        known: an earlier comparison.
        folders: where the recipe's data may lie.
    """
    recipe = read_recipe(RECIPES / f"{name}.toml")
    with working_where_the_data_lie(recipe, folders):
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
        return lipzoo.certify(
            model, raw, standardized=standardized, reference=None, verbose=0
        ).radius

    def plain():
        network = plain_network(recipe, (x, y), (z, u), dataset)
        return logits_of(network), network, None

    methods = {name: lambda: (logits_of(rest), rest, radii), PLAIN: plain}
    methods |= classical((x, y), (z, u), dataset.num_classes)
    rows = {
        label: row(label, *method(), RADII[name], w, v, dataset.seen)
        for label, method in methods.items()
        if chosen is None or label in chosen
    }
    if chosen is not None:
        rows = {row["name"]: rows.get(row["name"], row) for row in known["methods"]}
    methods = [*rows.values()]
    unseen = int((~dataset.seen).sum())
    return {
        "radii": list(RADII[name]),
        "units": units,
        "attack": ATTACK,
        **({"unseen": unseen} if 0 < unseen < len(v) else {}),
        "methods": methods,
    }


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
    """The methods of scikit-learn, each a function that fits it: scores, no network, radii."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    flat = [a.reshape(len(a), -1) for a in (train[0], validation[0])]

    def logistic():
        fits = (LogisticRegression(C=c, max_iter=5000) for c in (0.01, 0.1, 1, 10))
        fits = (fit.fit(flat[0], train[1]) for fit in fits)
        scores, weights = linear_scores(max(fits, key=lambda f: f.score(flat[1], validation[1])))
        return scores, None, Linear(weights)

    def forest():
        fitted = RandomForestClassifier(500, random_state=0).fit(flat[0], train[1])
        return lambda a: fitted.predict_proba(a.reshape(len(a), -1)), None, None

    def nearest():
        fitted, one_hot = KNeighborsClassifier(1).fit(flat[0], train[1]), np.eye(classes)
        proof = Nearest(flat[0], train[1])
        return lambda a: one_hot[fitted.predict(a.reshape(len(a), -1))], None, proof

    return dict(zip(CLASSICAL, (logistic, forest, nearest), strict=True))


def linear_scores(fitted):
    """Scores of a logistic regression and their weights, one row per class, also for two."""
    weights, biases = fitted.coef_.astype("float64"), fitted.intercept_
    if len(weights) == 1:
        weights, biases = np.concatenate([0 * weights, weights]), np.append(0.0, biases)

    def scores(inputs):
        return inputs.reshape(len(inputs), -1).astype("float64") @ weights.T + biases

    return scores, weights


def row(label, scores, network, proof, radii, w, v, seen=None) -> dict:
    """One method's line: clean, certified and attacked shares.

    Where some of the examples were seen in training or validation, the shares of the others alone
    are under `"unseen"`.
    """
    logits = np.asarray(scores(w), dtype="float64")
    prediction = logits.argmax(axis=1)
    correct = prediction == v
    radius = None if proof is None else proof(scores, w, prediction)
    certified = attacked = None
    if radius is not None:
        certified = [correct & (radius > r) for r in radii]
    if isinstance(proof, Linear):
        attacked = certified
    else:
        found = bisected(scores, w, prediction)
        attacked = []
        for r in radii:
            lost = found <= r
            if network is not None:
                options = {"steps": 100, "restarts": 3, "clip": None}
                lost |= lipzoo.evaluation.pgd_attack(network, w, prediction, r, **options).success
            attacked.append(correct & ~lost)
            if radius is not None and np.any(lost & (radius > r)):
                raise RuntimeError(f"{label}: a radius above {r} is refuted, which is a bug")

    def shares(chosen):
        count = int(correct[chosen].sum())
        means = (
            None if standing is None else [float(np.mean(s[chosen])) for s in standing]
            for standing in (certified, attacked)
        )
        return {
            "clean": float(np.mean(correct[chosen])),
            "interval": wilson(count, int(chosen.sum())),
            **dict(zip(("certified", "attacked"), means, strict=True)),
        }

    result = {
        "name": f"**`{label}`**" if network is not None and proof is not None else label,
        **shares(np.ones(len(v), dtype=bool)),
    }
    if seen is not None and seen.any() and not seen.all():
        result["unseen"] = shares(~seen)
    return result


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
        self.known, self.labels = known.astype("float64"), labels

    def __call__(self, scores, w, prediction):
        """The distance to the nearest of the planes around one of the nearest z, the best one."""
        points = w.reshape(len(w), -1).astype("float64")
        return np.array([self._radius(*pair) for pair in zip(points, prediction, strict=True)])

    def _radius(self, point, label):
        squares = np.sum(np.square(self.known - point), axis=1)
        own = np.flatnonzero(self.labels == label)
        own = own[np.argsort(squares[own])[:NEIGHBOURS]]
        others = np.flatnonzero(self.labels != label)
        apart = distances_between(self.known[own], self.known[others])
        planes = (squares[others] - squares[own][:, None]) / (2 * np.maximum(apart, 1e-300))
        return planes.min(axis=1).max()


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
    parser = argparse.ArgumentParser(prog="python -m studies.beyond", description=__doc__)
    parser.add_argument("--only", action="append", help="a model to compare anew, the rest kept")
    parser.add_argument(
        "--method",
        action="append",
        choices=CLASSICAL,
        help="a classical method to measure anew, the rest kept",
    )
    parser.add_argument("--record", action="store_true", help="write into the models' metrics, too")
    add_data_option(parser)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    known = json.loads(options.output.read_text())["models"] if options.output.exists() else {}
    for name in options.only or RADII:
        known[name] = measure(name, options.method, known.get(name), options.data)
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
