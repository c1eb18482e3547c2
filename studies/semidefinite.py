"""`python -m studies.semidefinite [--onnx FOLDER]`: ellipsoids beside products of norms.

Writes studies/semidefinite.json: for random perceptrons and, with a folder, networks from ONNX
files, the bound by ellipsoids over the bound by products, over the largest Jacobian norm that was
found, and what it takes. With the package eclipse-nn and PyTorch installed, its ECLipsE-Fast on the
perceptrons as well, in plain floating point. Processor seconds, one after the other in one process.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.evaluation import tightness
from lipzoo.training.run_folder import write_json
from studies.machine import machine

RESULTS = Path(__file__).with_name("semidefinite.json")
# Width and number of hidden layers of random perceptrons with ten outputs.
SHAPES = ((256, 2), (512, 3), (128, 5), (64, 10))
SEEDS = (0, 1, 2)


def perceptron(width: int, depth: int, seed: int) -> keras.Model:
    """ReLU layers of one width with kernels as He et al. draw them, and ten outputs."""
    random = np.random.default_rng(seed)
    x = keras.Input((width,))
    y = x
    for _ in range(depth):
        y = keras.layers.Dense(width, "relu")(y)
    model = keras.Model(x, keras.layers.Dense(10)(y), name=f"perceptron_{width}x{depth}")
    for layer in model.layers[1:]:
        kernel = random.normal(size=layer.kernel.shape) * (2 / width) ** 0.5
        layer.set_weights([kernel, np.zeros(layer.units)])
    return model


def timed(function):
    """What a function returns, and the processor seconds that it took."""
    start = time.process_time()
    return function(), time.process_time() - start


def eclipse(model) -> dict:
    """ECLipsE-Fast of the package eclipse-nn; empty where it is not installed."""
    try:
        import torch
        from eclipse_nn.eclipsE_fast import ECLipsE_Fast as fast
    except ImportError:
        return {}
    kernels = [
        torch.tensor(keras.ops.convert_to_numpy(layer.kernel).T.astype("float64"))
        for layer in model.layers[1:]
    ]
    # Threads that wait for each other count as processor time.
    torch.set_num_threads(1)
    slopes = [0.0] * (len(kernels) - 1), [1.0] * (len(kernels) - 1)
    value, seconds = timed(lambda: float(fast(kernels, *slopes)))
    return {"eclipse_fast": value, "seconds_eclipse_fast": seconds}


def measure(model, x) -> dict:
    """The bounds of one model, and the largest Jacobian norm at the inputs."""
    # Kernels of the same shape were looked at before: nothing is remembered of this model.
    product, seconds_product = timed(lambda: lipzoo.lipschitz_bound(model))
    sharp, seconds = timed(lambda: lipzoo.lipschitz_bound(model, "semidefinite"))
    return {
        "product": product.value,
        "semidefinite": sharp.value,
        "largest_local": float(tightness(model, x, steps=0).local.max()),
        "seconds_product": seconds_product,
        "seconds_semidefinite": seconds,
    }


def main(arguments=None) -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(prog="python -m studies.semidefinite", description=__doc__)
    parser.add_argument(
        "--onnx", type=Path, help="folder of ONNX files; without it their rows stay as they are"
    )
    options = parser.parse_args(arguments)
    random = np.random.default_rng(0)
    perceptrons, networks = [], []
    for width, depth in SHAPES:
        for seed in SEEDS:
            model = perceptron(width, depth, seed)
            x = random.normal(size=(64, width)).astype("float32")
            row = {"width": width, "depth": depth, "seed": seed, **measure(model, x)}
            perceptrons.append(row | eclipse(model))
            print(perceptrons[-1], flush=True)
    if not options.onnx and RESULTS.exists():
        networks = json.loads(RESULTS.read_text())["networks"]
    for path in sorted(options.onnx.glob("*.onnx")) if options.onnx else ():
        model = lipzoo.from_onnx(path)
        x = random.uniform(size=(64, *model.input_shape[1:])).astype("float32")
        networks.append({"name": path.stem, **measure(model, x)})
        print(networks[-1], flush=True)
    write_json(RESULTS, {"machine": machine(), "perceptrons": perceptrons, "networks": networks})


if __name__ == "__main__":
    main()
