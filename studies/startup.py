"""`python -m studies.startup`: what `certify` costs beside `model.predict`, in processor time.

Twice for each network: on many images, where the forward pass weighs, and again and again on a few,
where deriving the bound and finding out whether anything has changed do. Processor time and the
fewest seconds of several turns, so that a busy machine changes little.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.training.run_folder import write_json

RESULTS = Path(__file__).with_name("startup.json")
MODELS = ("gradflow-fmnist", "hamnet-fmnist", "branched")
FEW, MANY = 8, 2000
BATCH_SIZE = 256


def branched_network(blocks: int = 6) -> keras.Model:
    """A residual network of Keras' own layers, which is no chain."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    for _ in range(blocks):
        branch = layers.ReLU()(layers.Conv2D(8, 3, padding="same")(x))
        branch = layers.Conv2D(8, 3, padding="same")(branch)
        x = layers.ReLU()(layers.Add()([x, branch]))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def fewest_seconds(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least processor time of each function over turns in alternating order, after one each."""
    seconds = {name: [] for name in functions}
    for turn in range(-1, rounds):
        for name in functions if turn % 2 else reversed(functions):
            start = time.process_time()
            functions[name]()
            if turn >= 0:
                seconds[name].append(time.process_time() - start)
    return {name: min(values) for name, values in seconds.items()}


def network(name: str) -> keras.Model:
    """A bundled model, or the branched network by that name."""
    return branched_network() if name == "branched" else lipzoo.load(name)


def measure(model: keras.Model, images: int, rounds: int) -> dict:
    """`certify` without a reference in units of one `predict` of the same images."""
    x = np.random.default_rng(0).random((images, *model.input_shape[1:]), "float32")
    settings = {"batch_size": BATCH_SIZE, "verbose": 0}
    seconds = fewest_seconds(
        {
            "certify": lambda: lipzoo.certify(model, x, reference=None, **settings),
            "predict": lambda: model.predict(x, **settings),
        },
        rounds,
    )
    return {
        "images": images,
        "ratio": round(seconds["certify"] / seconds["predict"], 3),
        **{f"{key}_seconds": round(value, 4) for key, value in seconds.items()},
        "rounds": rounds,
    }


def main(arguments=None) -> None:
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.startup", description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--quick", action="store_true", help="one turn: meaningless numbers")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    models = {}
    for name in options.models:
        model = network(name)
        models[name] = {
            "calls": len(lipzoo.lipschitz_bound(model).layers),
            "few": measure(model, FEW, 1 if options.quick else 12),
            "many": measure(model, 2 * FEW if options.quick else MANY, 1 if options.quick else 5),
        }
    results = {
        "models": models,
        "python": platform.python_version(),
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
    }
    write_json(options.output, results)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
