"""`python -m studies.rounding`: certified radii attacked at their edge, where rounding decides.

Writes studies/rounding.json: for each network and each arithmetic, how many of the radii that
account for rounding were violated in 10,000 tries and more (none, if they are right), and how many
of those that take the network to compute exactly.
"""

import argparse
import contextlib
import json
import math
import warnings
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.data.dataset import load_data
from lipzoo.evaluation import edge_attack
from lipzoo.training import read_recipe
from lipzoo.training.run_folder import write_json

RESULTS = Path(__file__).with_name("rounding.json")
RECIPES = Path(__file__).parents[1] / "recipes"
TRIES = 10_000
# How each arithmetic is called in Keras.
POLICIES = {
    "float32": "float32",
    "float64": "float64",
    "float16": "mixed_float16",
    "bfloat16": "mixed_bfloat16",
}


def linear(features: int, classes: int = 4) -> keras.Model:
    """A linear classifier: its radii in exact arithmetic are exact, with nothing to spare."""
    return keras.Sequential([keras.Input((features,)), keras.layers.Dense(classes, name="head")])


def reflections(features: int, depth: int, classes: int = 4) -> keras.Model:
    """Gradient flows with orthonormal kernels and all units active: deep, and as tight as linear.

    Each flow is then the reflection `x - 2K(Kᵀx + b)`, so that a margin really falls as fast as its
    certificate allows; most networks have more to spare than rounding takes.
    """
    flows = [lipzoo.layers.GradientFlowDense(features // 2) for _ in range(depth)]
    head = lipzoo.layers.SpectralDense(classes, name="head")
    model = keras.Sequential([keras.Input((features,)), *flows, head])
    random = np.random.default_rng(0)
    for layer in (*flows, head):
        kernel = np.linalg.qr(random.normal(size=layer.kernel.shape))[0]
        layer.set_weights([kernel, np.full(kernel.shape[1], 2.0 if layer in flows else 0.0)])
    # What the units add to the logits, all being active, is taken away again.
    constant = model.predict_on_batch(np.zeros((1, features)))[0]
    head.set_weights([head.get_weights()[0], -constant])
    return model


ZOO = ("gradflow-digits", "gradflow-fmnist")
# Margins from the same weights in float64, see `lipzoo.certify`.
REFERENCE = "float32, margins in float64"
# Over how many decades the margins of the points are spread.
DECADES = {"float32": 4, "float64": 9, "float16": 1, "bfloat16": 0.5}
NETWORKS = {
    "linear, 784 features": (lambda: linear(784), 784),
    "8 flows of 64 features": (lambda: reflections(64, 8), 64),
    "linear, 8 features": (lambda: linear(8), 8),
    "1 flow of 4 features": (lambda: reflections(4, 1, 2), 4),
}
SMALL = {
    "float32": ["linear, 784 features", "8 flows of 64 features"],
    "float64": ["linear, 784 features", "8 flows of 64 features"],
    "float16": ["linear, 8 features", "1 flow of 4 features"],
    "bfloat16": ["linear, 8 features", "1 flow of 4 features"],
}


@contextlib.contextmanager
def arithmetic(dtype: str):
    """Within this context, networks are built and evaluated in a type, their inputs included."""
    previous = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64" if dtype == "float64" else "float32")
    keras.config.set_dtype_policy(POLICIES[dtype])
    try:
        yield
    finally:
        keras.config.set_floatx(previous[0])
        keras.config.set_dtype_policy(previous[1])


def small(network: str) -> tuple[keras.Model, int]:
    """A small network with the same weights each time, and its number of features."""
    keras.utils.set_random_seed(0)
    build, features = NETWORKS[network]
    return build(), features


def points(model: keras.Model, features: int, count: int, decades: float) -> np.ndarray:
    """Random inputs at all distances from where the prediction changes, down to a few roundings.

    Of norm 1.5, so that the units of `reflections` stay active.
    """
    random = np.random.default_rng(1)
    x = random.normal(size=(count, features))
    x = (1.5 * x / np.linalg.norm(x, axis=1, keepdims=True)).astype(model.inputs[0].dtype)
    radius = lipzoo.certify(model, x, rounding=False, verbose=0).radius
    return edge_attack(
        model, x, radius * (1 - 10.0 ** -random.uniform(0, decades, count)), tries=1
    ).inputs


def attacked(model: keras.Model, x, tries: int, reference=None) -> dict:
    """Attacks the radii with and without rounding; counts what falls."""
    result = {"examples": len(x)}
    for kind, rounding in (("radii", True), ("naive_radii", False)):
        within = {"reference": reference} if rounding else {}
        with warnings.catch_warnings():
            # How many radii are positive is what is counted here.
            warnings.filterwarnings("ignore", "No radius of model")
            radius = lipzoo.certify(model, x, rounding=rounding, verbose=0, **within).radius
        count = int(np.sum((radius > 0) & np.isfinite(radius)))
        found = edge_attack(model, x, radius, tries=math.ceil(tries / max(count, 1)))
        result[kind] = {
            "mean": float(np.mean(radius)),
            "positive": count,
            "tries": found.tries,
            "violated": int(found.violated.sum()),
            "smallest_margin": float(found.margin.min()) if count else None,
        }
    return result


def zoo_points(name: str, count: int) -> np.ndarray:
    """The first test examples of a model."""
    dataset = load_data(read_recipe(RECIPES / f"{name}.toml").data)
    return dataset.inputs(dataset.test)[:count]


def small_row(network: str, dtype: str, examples: int, tries: int) -> dict:
    """A small network in one arithmetic."""
    with arithmetic(dtype):
        model, features = small(network)
        return attacked(model, points(model, features, examples, DECADES[dtype]), tries)


def zoo_row(name: str, dtype: str, examples: int, tries: int) -> dict:
    """A model of the zoo on its test data."""
    x, reference = zoo_points(name, examples), None
    if dtype == REFERENCE:
        reference = lipzoo.load(name, dtype="float64")
    model = lipzoo.load(name, dtype="float64" if dtype == "float64" else "float32")
    return attacked(model, x.astype(model.inputs[0].dtype), tries, reference)


def rows() -> list[tuple]:
    """What is measured: `(network, arithmetic, function)`."""
    chosen = [(network, dtype, small_row) for dtype in SMALL for network in SMALL[dtype]]
    arithmetics = ("float32", REFERENCE, "float64")
    return chosen + [(name, dtype, zoo_row) for name in ZOO for dtype in arithmetics]


def main(arguments=None):
    """Writes the results, row by row."""
    parser = argparse.ArgumentParser(prog="python -m studies.rounding", description=__doc__)
    parser.add_argument("--only", action="append", help="a network to measure anew, the rest kept")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--tries", type=int, default=TRIES)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    known = {}
    if options.only:
        rows_before = json.loads(options.output.read_text())["rows"]
        known = {(row["network"], row["dtype"]): row for row in rows_before}
    for network, dtype, measure in rows():
        if options.only and network not in options.only:
            continue
        row = measure(network, dtype, options.examples, options.tries)
        known[network, dtype] = {"network": network, "dtype": dtype, **row}
        print(known[network, dtype], flush=True)
        found = [known[key] for key in ((r[0], r[1]) for r in rows()) if key in known]
        write_json(options.output, {"tries_per_row": options.tries, "rows": found})


if __name__ == "__main__":
    main()
