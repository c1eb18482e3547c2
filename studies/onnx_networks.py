"""`python -m studies.onnx_networks FOLDER`: networks that others made, read from ONNX files.

Writes studies/onnx_networks.json: for each file what it consists of, how far its outputs in ONNX
Runtime are from the model's, the proven bound in float64, the largest norm of a Jacobian at random
inputs, and the radii of the predictions there in exact arithmetic and as computed in float64. The
inputs are uniform in [0, 1]: pixels in the networks' own units, and no photographs.
"""

import argparse
import contextlib
import time
from collections import Counter
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.evaluation import tightness
from lipzoo.importing.comparison import largest_difference
from lipzoo.importing.graph import read_graph
from lipzoo.training.run_folder import write_json
from studies.machine import machine

RESULTS = Path(__file__).with_name("onnx_networks.json")
# Outputs that are costs: the least one decides.
LEAST_DECIDES = ("ACASXU",)


def measure(path: Path, examples: int) -> dict:
    """The numbers of one file."""
    content = path.read_bytes()
    graph = read_graph(content)
    start = time.perf_counter()
    model = lipzoo.from_onnx(path)
    read = time.perf_counter() - start
    shape = (examples, *model.input_shape[1:])
    x = np.random.default_rng(0).uniform(size=shape).astype("float32")
    decision = "min" if path.name.startswith(LEAST_DECIDES) else "max"
    with _inputs_in_float64():
        double = lipzoo.from_onnx(path, dtype="float64")
        start = time.perf_counter()
        bound = lipzoo.lipschitz_bound(double).value
        derived = time.perf_counter() - start
        certify = {
            rounding: lipzoo.certify(double, x, decision=decision, rounding=rounding, verbose=0)
            for rounding in (False, True)
        }
    return {
        "name": path.stem,
        "operators": dict(Counter(node.op for node in graph.nodes)),
        "parameters": model.count_params(),
        "input_shape": list(model.input_shape[1:]),
        "decision": decision,
        "difference": largest_difference(content, graph, model),
        "bound": bound,
        "largest_local": float(tightness(model, x, steps=0).local.max()),
        "examples": examples,
        "median_radius_exact": float(np.median(certify[False].radius)),
        "median_radius": float(np.median(certify[True].radius)),
        "seconds_to_read": read,
        "seconds_to_bound": derived,
    }


@contextlib.contextmanager
def _inputs_in_float64():
    """`predict` rounds inputs to Keras' float type, and that rounding counts."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before)


def main(arguments=None):
    """Writes the results, file by file."""
    parser = argparse.ArgumentParser(prog="python -m studies.onnx_networks", description=__doc__)
    parser.add_argument("folder", type=Path, help="of .onnx files")
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    networks = []
    for path in sorted(options.folder.glob("*.onnx"), key=lambda path: path.name.lower()):
        networks.append(measure(path, options.examples))
        print(networks[-1], flush=True)
    write_json(options.output, {"machine": machine(), "networks": networks})


if __name__ == "__main__":
    main()
