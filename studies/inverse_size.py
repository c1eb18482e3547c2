"""`python -m studies.inverse_size`: time and memory of inverse problems at the size of a picture.

Each part in a process of its own, for its peak memory: products of the scanner beside scikit-image,
and InvNet of 12 steps at 128 and 256 pixels: built, bounded, used, trained for a step. Writes
studies/inverse_size.json. Where other work shares the processors, `cpu_seconds` are what to read.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
from skimage.transform import iradon, radon

import lipzoo
from lipzoo import inverse

RESULTS = Path(__file__).with_name("inverse_size.json")
ALPHA, SIGMA = 5e-3, 0.01


def measured(function, repeats: int = 1) -> tuple:
    """What a function returns, and its least seconds on the clock and of processors."""
    times = []
    for _ in range(repeats):
        clock, processor = time.perf_counter(), time.process_time()
        result = function()
        times.append((time.perf_counter() - clock, time.process_time() - processor))
    return result, {"seconds": min(t for t, _ in times), "cpu_seconds": min(t for _, t in times)}


def products(size: int = 256, angles: int = 180, batch: int = 16) -> dict:
    """Forward products and adjoints per image, beside scikit-image's."""
    degrees = np.arange(angles) * (180.0 / angles)
    disc = np.hypot(*(np.indices((size, size)) - size // 2)) < 0.49 * size
    images = np.random.default_rng(0).random((batch, size, size, 1)) * disc[..., None]
    scanner = inverse.Tomography(size, angles)
    x = keras.ops.convert_to_tensor(images, "float32")
    y = scanner.apply(x)
    scanner.adjoint(y)
    found = {}
    for name, function in (
        ("apply", lambda: scanner.apply(x)),
        ("adjoint", lambda: scanner.adjoint(y)),
    ):
        _, times = measured(lambda function=function: keras.ops.convert_to_numpy(function()), 3)
        found[name] = {key: value / batch for key, value in times.items()}
    theirs = radon(images[0, ..., 0], degrees, circle=False)
    _, found["radon"] = measured(lambda: radon(images[0, ..., 0], degrees, circle=False), 2)
    _, found["radon_in_circle"] = measured(lambda: radon(images[0, ..., 0], degrees), 2)
    _, found["iradon"] = measured(
        lambda: iradon(theirs, degrees, filter_name=None, circle=False, output_size=size), 2
    )
    return {"size": size, "angles": angles, "batch": batch, "per_image": found}


def network(size: int, angles: int, batch: int, train: bool = False) -> dict:
    """InvNet of 12 steps: built and bounded, applied to measurements, trained for a step."""

    def build():
        scanner = inverse.Tomography(size, angles)
        net = lipzoo.InvNet(scanner, alpha=ALPHA, steps=12, flows=1, width=16, filters=32)
        return net, lipzoo.lipschitz_bound(net).value

    (net, bound), built = measured(build)
    found = {"size": size, "angles": angles, "batch": batch, "bound": bound, "build": built}
    _, found["build_again"] = measured(build)
    scanner = net.get_layer("tikhonov").operator
    x = np.random.default_rng(0).random((batch, size, size, 1)).astype("float32")
    y = keras.ops.convert_to_numpy(scanner.apply(x))
    if train:
        net.compile("adam", "mse", jit_compile=False)
        net.train_on_batch(y, x)
        _, found["step"] = measured(lambda: net.train_on_batch(y, x), 2)
    else:
        net.predict(y, verbose=0)
        _, found["predict"] = measured(lambda: net.predict(y, verbose=0), 2)
        delta = inverse.noise_norm(SIGMA, scanner.outputs)
        radii = [
            float(lipzoo.certify_reconstruction(net, y, delta, rounding=r, verbose=0).radius.max())
            for r in (True, False)
        ]
        found["radius"], found["share_of_rounding"] = radii[0], 1.0 - radii[1] / radii[0]
    return {**found, "tikhonov_steps": net.get_layer("tikhonov").inverse.steps}


PARTS = {
    "products": products,
    "predict_128": lambda: network(128, 60, 4),
    "train_128": lambda: network(128, 60, 4, train=True),
    "predict_256": lambda: network(256, 180, 4),
}


def main(arguments=None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part, printed")
    only = parser.parse_args(arguments).only
    if only:
        found = PARTS[only]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({**found, "peak_gib": peak}))
        return
    results = {}
    for name in PARTS:
        command = [sys.executable, "-m", "studies.inverse_size", "--only", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results[name] = json.loads(done.stdout.splitlines()[-1])
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
