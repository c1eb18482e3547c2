"""`python -m studies.stability`: what stability costs in training and inference.

Four parts, each measured in turns on whatever machine this is: the training step with the
constraint against the same step without it; training step and inference of gradient flows, the
same without constraint, HamNet layers, residual blocks and the bare operators over depths and
batch sizes, of convolutions and of dense layers; and their peak memory. Writes
studies/stability.json and stability.png.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import lipzoo
from lipzoo.constraints import METHODS
from lipzoo.training import read_recipe
from lipzoo.training.model import compile_model
from lipzoo.training.run_folder import write_json
from studies.machine import machine
from studies.stability_figure import figure
from studies.stability_networks import (
    CLASSES,
    KINDS,
    NETWORKS,
    SIDE,
    WIDTHS,
    layer_flops,
    network,
)
from studies.timing import interleaved, paired_ratio

RESULTS = Path(__file__).with_name("stability.json")
RECIPES = Path(__file__).parents[1] / "recipes"
FLAGSHIP = "gradflow-fmnist"
DEPTHS = (6, 12, 24, 48)
BATCH_SIZES = (1, 32, 256)
# And their rounds.
OVERHEAD_BATCH_SIZES = {128: 15, 1024: 7}
# The kernels on which the constraint weighs most: of 64 channels, and of 1,024 x 1,024 numbers.
OVERHEAD_WIDTHS = {"conv": 64, "dense": 1024}
OVERHEAD_DEPTH = 4

_MEMORY = """
import sys
from studies.memory import memory
from studies.stability import examples
from studies.stability_networks import network
name, kind, depth, width, batch_size = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
before = memory("VmHWM")
model = network(name, kind, depth, width)
x, y = examples(batch_size)
for _ in range(3):
    model.train_on_batch(x, y)
print(memory("VmHWM") - before)
"""


def examples(batch_size: int):
    """Random images and labels."""
    random = np.random.default_rng(0)
    x = random.random((batch_size, 2 * SIDE, 2 * SIDE, 1), "float32")
    return x, random.integers(CLASSES, size=batch_size)


def overhead(batch_sizes=OVERHEAD_BATCH_SIZES) -> list[dict]:
    """A training step with each method of the constraint, against one without constraint."""
    rows = []
    for kind, width in OVERHEAD_WIDTHS.items():
        models = {
            method: network("gradient flow", kind, OVERHEAD_DEPTH, width, method)
            for method in METHODS
        }
        models["none"] = network("unconstrained flow", kind, OVERHEAD_DEPTH, width)
        label = f"{kind}, {width} {'channels' if kind == 'conv' else 'neurons'}"
        rows += _overhead(label, models, batch_sizes)
    models = {"orthogonal": lipzoo.load(FLAGSHIP), "none": lipzoo.load(FLAGSHIP)}
    for weight in models["none"].weights:
        weight.constraint = None
    training = read_recipe(RECIPES / f"{FLAGSHIP}.toml").training
    for model in models.values():
        compile_model(model, training, steps=1000, epsilons={})
    return rows + _overhead(FLAGSHIP, models, batch_sizes)


def _overhead(label, models, batch_sizes):
    rows = []
    for batch_size, rounds in batch_sizes.items():
        turns = _turns(models, "training step", *examples(batch_size))
        seconds = interleaved(turns, rounds, warmup=3)
        for method in models:
            if method != "none":
                ratio = paired_ratio(seconds, method, "none")
                rows.append({"network": label, "batch_size": batch_size, "method": method, **ratio})
                print(f"{label}, batch {batch_size}, {method}: {ratio['ratio']:.3f}", flush=True)
    return rows


def over_depth(kind: str, rounds: int, depths=DEPTHS, batch_sizes=BATCH_SIZES) -> list[dict]:
    """Seconds of training step and inference of every network, over depths and batch sizes."""
    models = {
        (name, depth): network(name, kind, depth, WIDTHS[kind])
        for name in NETWORKS
        for depth in depths
    }
    rows = []
    for batch_size in batch_sizes:
        for work in ("training step", "inference"):
            turns = _turns(models, work, *examples(batch_size))
            # Small batches take milliseconds, of which more are needed.
            count = rounds if batch_size > 32 else 4 * rounds
            rows += _rows(interleaved(turns, count), kind, batch_size, work)
    return rows


def _turns(models, work, x, y):
    if work == "inference":
        return {key: lambda model=model: model.predict_on_batch(x) for key, model in models.items()}
    return {key: lambda model=model: model.train_on_batch(x, y) for key, model in models.items()}


def _rows(seconds, kind, batch_size, work):
    rows = []
    for name, depth in seconds:
        flops = batch_size * depth * layer_flops(kind, WIDTHS[kind])
        # Backwards every product has two, one for the inputs and one for the kernel.
        flops *= 3 if work == "training step" else 1
        row = {"kind": kind, "batch_size": batch_size, "work": work, "network": name}
        row |= {"depth": depth, "flops": flops, "rounds": len(seconds[name, depth])}
        row["seconds"] = round(float(np.median(seconds[name, depth])), 6)
        for other in ("ResNet", "unconstrained flow", "bare operators"):
            row[f"ratio_to_{other.replace(' ', '_')}"] = paired_ratio(
                seconds, (name, depth), (other, depth)
            )["ratio"]
        shallowest = min(other_depth for _, other_depth in seconds)
        first = paired_ratio(seconds, (name, depth), (name, shallowest))["ratio"]
        row[f"ratio_to_depth_{shallowest}"] = first
        rows.append(row)
        print(kind, batch_size, work, name, depth, row["seconds"], flush=True)
    return rows


def memory(batch_size: int = 256, depths=(DEPTHS[0], DEPTHS[-1])) -> list[dict]:
    """Parameters, and peak memory of three training steps, each in a process of its own.

    Memory is what the peak grew by after the libraries were imported.
    """
    rows = []
    for kind, width in WIDTHS.items():
        for name in NETWORKS:
            for depth in depths:
                arguments = [name, kind, *map(str, (depth, width, batch_size))]
                done = subprocess.run(
                    [sys.executable, "-c", _MEMORY, *arguments],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                row = {"kind": kind, "network": name, "depth": depth, "batch_size": batch_size}
                row["parameters"] = network(name, kind, depth, width).count_params()
                row["mebibytes"] = round(int(done.stdout.split()[-1]) / 2**20, 1)
                rows.append(row)
                print(row, flush=True)
    return rows


def main(arguments=None):
    """Writes the results and the figure."""
    parser = argparse.ArgumentParser(prog="python -m studies.stability", description=__doc__)
    parser.add_argument("--only", action="append", help="a part to measure anew, keeping the rest")
    parser.add_argument("--quick", action="store_true", help="few rounds: meaningless numbers")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    depth_settings = {"rounds": 5}
    if options.quick:
        depth_settings = {"rounds": 2, "depths": (1, 2), "batch_sizes": (1, 2)}
    parts = {
        "overhead": lambda: overhead({8: 2, 16: 2}) if options.quick else overhead(),
        **{kind: lambda kind=kind: over_depth(kind, **depth_settings) for kind in KINDS},
        "memory": lambda: memory(2, (1,)) if options.quick else memory(),
    }
    unknown = set(options.only or ()) - set(parts)
    if unknown:
        parser.error(f"--only: expected {', '.join(parts)}. Received: {', '.join(unknown)}")
    results = json.loads(options.output.read_text()) if options.only else {}
    for name in options.only or parts:
        results[name] = parts[name]()
        results["machine"] = machine()
        write_json(options.output, results)
    figure(results, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
