"""`python -m studies.regression [--diamonds FILE]`: error and certified intervals on two tables.

Ridge regression, whose interval is exact, a plain network and gradient flows under heads of two
bounds, on scikit-learn's diabetes table and, with a file, on the diamonds.csv that the package
plotnine brings (plotnine/data). Intervals are those of `lipzoo.certify_regression`, radii in
standard deviations of the features. The results are written to studies/regression.json.
"""

import argparse
import csv
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_diabetes

import lipzoo
from lipzoo.autodiff.input_gradients import value_and_input_gradient
from lipzoo.training.run_folder import write_json
from studies.machine import machine

HERE = Path(__file__).parent
RADII = (0.1, 0.5)
FOLDS = 5
WIDTH, DEPTH = 64, 3
# Penalties of ridge regression per example, and how far the target may move per standard deviation
# of the features, in its own standard deviations.
PENALTIES, HEADS = (0.001, 1.0), (0.5, 2.0)
ORDERS = {
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": tuple("JIHGFED"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}


def diabetes():
    """442 patients, 10 measurements each; the target is how far the disease got in a year."""
    bunch = load_diabetes(scaled=False)
    return bunch.data.astype("float32"), bunch.target.astype("float64")


def diamonds(path: Path):
    """53,940 diamonds; the target is the price in dollars, grades are numbers in their order."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [
        [ORDERS[name].index(row[name]) if name in ORDERS else float(row[name]) for row in rows]
        for name in rows[0]
        if name != "price"
    ]
    return np.array(columns, "float32").T, np.array([float(row["price"]) for row in rows])


def ridge(z, target, penalty: float) -> np.ndarray:
    """`argmin_w |Z w - t|² / n + penalty |w|²` of standardised features and target."""
    return np.linalg.solve(z.T @ z / len(z) + penalty * np.eye(z.shape[1]), z.T @ target / len(z))


def linear(features: int) -> keras.Model:
    """The network that ridge regression is."""
    return keras.Sequential([keras.Input((features,)), keras.layers.Dense(1)])


def plain(features: int) -> keras.Model:
    """A perceptron of two hidden layers."""
    hidden = [keras.layers.Dense(WIDTH, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((features,)), *hidden, keras.layers.Dense(1)])


def flows(features: int, bound: float) -> keras.Model:
    """Gradient flows, which move by at most as much as the input, under a head of a given norm."""
    body = [lipzoo.layers.Lift(WIDTH), *(lipzoo.layers.GradientFlowDense() for _ in range(DEPTH))]
    head = keras.layers.Dense(1, kernel_constraint=lipzoo.SpectralBound(bound, method="scale"))
    return keras.Sequential([keras.Input((features,)), *body, head])


def fit(network, z, target, epochs: int, batch_size: int):
    """Trains on nine tenths of the rows until the last tenth is not predicted better."""
    network.compile(keras.optimizers.Adam(3e-3), "mse", jit_compile=False, steps_per_execution=4)
    stop = keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True)
    network.fit(
        z.astype("float32"),
        target.astype("float32"),
        batch_size=batch_size,
        epochs=epochs,
        validation_split=0.1,
        callbacks=[stop],
        verbose=0,
    )


def in_units(network, mean, deviation, centre: float, scale: float) -> keras.Model:
    """The same network from features to target in their own units, its last layer still linear."""
    inputs = keras.Input(network.input_shape[1:])
    x = keras.layers.Normalization(mean=mean, variance=deviation**2)(inputs)
    *body, head = [e for e in network.layers if not isinstance(e, keras.layers.InputLayer)]
    for layer in body:
        x = layer(x)
    last = keras.layers.Dense(1)
    model = keras.Model(inputs, last(x))
    kernel, bias = head.get_weights()
    last.set_weights([scale * kernel, scale * bias + centre])
    return model


def measure(model, x, y, deviation) -> dict:
    """Error, slopes and intervals on rows that were not trained on."""
    slope = value_and_input_gradient(lambda z: model(z)[:, 0], model.variables)
    gradients = slope(x)[1].astype("float64") * deviation
    found = {"largest_gradient": float(np.linalg.norm(gradients, axis=1).max())}
    for radius in RADII:
        certificate = lipzoo.certify_regression(
            model, x, radius, standardized=True, method="semidefinite", verbose=0
        )
        found["rmse"] = _root_mean_square(certificate.prediction[:, 0] - y)
        found["slope"] = float(certificate.slopes[0])
        found[f"movement_{radius}"] = float(certificate.width.max() / 2)
        found[f"worst_rmse_{radius}"] = _root_mean_square(certificate.worst_error(y))
    return found


def _root_mean_square(errors) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def study(x, y, folds: int, epochs: int, batch_size: int) -> dict:
    """Every method on the first folds of a cross-validation by fifths."""
    parts = np.array_split(np.random.default_rng(0).permutation(len(x)), FOLDS)
    methods: dict[str, list] = {}
    for fold in range(folds):
        test = parts[fold]
        train = np.concatenate([part for i, part in enumerate(parts) if i != fold])
        mean, deviation = x[train].mean(0, "float64"), x[train].std(0, "float64")
        centre, scale = float(y[train].mean()), float(y[train].std())
        z, target = (x[train] - mean) / deviation, (y[train] - centre) / scale
        networks = {}
        for penalty in PENALTIES:
            networks[f"ridge regression, penalty {penalty:g}"] = network = linear(x.shape[1])
            network.set_weights([ridge(z, target, penalty)[:, None], np.zeros(1)])
        keras.utils.set_random_seed(fold)
        trained = {"plain network": plain(x.shape[1])}
        for bound in HEADS:
            trained[f"gradient flows, head of norm {bound:g}"] = flows(x.shape[1], bound)
        for network in trained.values():
            fit(network, z, target, epochs, batch_size)
        for name, network in {**networks, **trained}.items():
            model = in_units(network, mean, deviation, centre, scale)
            methods.setdefault(name, []).append(measure(model, x[test], y[test], deviation))
            print(fold, name, methods[name][-1], flush=True)
    return {
        "rows": len(x),
        "features": x.shape[1],
        "deviation": float(y.std()),
        "folds": folds,
        "methods": methods,
    }


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.regression", description=__doc__)
    parser.add_argument("--diamonds", type=Path, help="the diamonds.csv of plotnine")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    options = parser.parse_args(arguments)
    tables = {"diabetes": study(*diabetes(), folds=FOLDS, epochs=60, batch_size=32)}
    if options.diamonds is not None:
        table = diamonds(options.diamonds)
        tables["diamonds"] = study(*table, folds=3, epochs=12, batch_size=512)
    write_json(
        options.output / "regression.json",
        {"radii": list(RADII), "machine": machine(), "tables": tables},
    )


if __name__ == "__main__":
    main()
