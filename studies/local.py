"""`python -m studies.local`: radii from slopes within each ball, beside those of whole networks.

Trains plain ReLU networks, of no constraint, on scikit-learn's digits and on Fashion-MNIST, and
certifies test images with the product of norms, with ellipsoids and with slopes within each ball.
Writes studies/local.json. Sizes and epochs are fixed beforehand; images are in [0, 1], rounding
counts.
"""

import time
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.data import load_data
from lipzoo.data.settings import DataSettings
from lipzoo.training.run_folder import write_json
from studies.machine import machine

RESULTS = Path(__file__).with_name("local.json")
DATA = {"digits": "sklearn:digits", "Fashion-MNIST": "tfds:fashion_mnist"}
EXAMPLES, EPOCHS = 100, {"digits": 30, "Fashion-MNIST": 4}


def networks() -> dict[str, tuple[str, list]]:
    """Data sets and the layers in front of the last one, by what a table calls them."""
    dense = keras.layers.Dense
    convolution = keras.layers.Conv2D(8, 4, strides=3, activation="relu")
    return {
        "digits, 2 x 64": ("digits", [dense(64, "relu") for _ in range(2)]),
        "digits, 4 x 32": ("digits", [dense(32, "relu") for _ in range(4)]),
        "Fashion-MNIST, 2 x 128": ("Fashion-MNIST", [dense(128, "relu") for _ in range(2)]),
        "Fashion-MNIST, 3 x 64": ("Fashion-MNIST", [dense(64, "relu") for _ in range(3)]),
        "Fashion-MNIST, convolution of 8 filters, 64": (
            "Fashion-MNIST",
            [convolution, keras.layers.Flatten(), dense(64, "relu")],
        ),
    }


def trained(layers: list, x: np.ndarray, y: np.ndarray, epochs: int) -> keras.Model:
    """An ordinary classifier."""
    flat = [] if isinstance(layers[0], keras.layers.Conv2D) else [keras.layers.Flatten()]
    model = keras.Sequential([keras.Input(x.shape[1:]), *flat, *layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def measure(name: str, data: str, layers: list, loaded) -> dict:
    """Radii of one network's test images by three proofs."""
    keras.utils.set_random_seed(0)
    model = trained(layers, loaded.inputs(loaded.train), loaded.train.y, EPOCHS[data])
    x, y = loaded.inputs(loaded.test)[:EXAMPLES], loaded.test.y[:EXAMPLES]
    row: dict = {"name": name, "examples": len(x)}
    radii = {}
    for key, settings in (
        ("product", {}),
        ("semidefinite", {"method": "semidefinite"}),
        ("local", {"local": True}),
    ):
        start = time.process_time()
        certificate = lipzoo.certify(model, x, y, verbose=0, **settings)
        radii[key] = certificate.radius
        row |= {
            f"{key}_median": float(np.median(certificate.radius)),
            f"{key}_seconds": round(time.process_time() - start, 2),
            "accuracy": certificate.accuracy,
        }
    positive = radii["product"] > 0
    row["ratio"] = float(np.median(radii["local"][positive] / radii["product"][positive]))
    row["above_semidefinite"] = float(np.mean(radii["local"] > radii["semidefinite"]))
    return row


def main() -> None:
    """Measures and writes the results."""
    loaded = {name: load_data(DataSettings(source)) for name, source in DATA.items()}
    rows = []
    for name, (data, layers) in networks().items():
        rows.append(measure(name, data, layers, loaded[data]))
        print(rows[-1], flush=True)
    write_json(RESULTS, {**machine(), "networks": rows})


if __name__ == "__main__":
    main()
