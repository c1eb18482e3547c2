"""`python -m studies.export`: exported networks in ONNX Runtime beside plain ones.

The plain network has the same matrix products and rearrangements, written in `keras.ops` without a
lipzoo layer (`studies.plain`), and goes through the same converter. Both run in turns, on one
thread each, so that a busy machine disturbs both alike. Writes studies/export.json.
"""

import argparse
import collections
import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import lipzoo
from lipzoo.exporting.conversion import to_onnx
from lipzoo.training.run_folder import write_json
from studies.plain import plain_model
from studies.timing import interleaved, paired_ratio

RESULTS = Path(__file__).with_name("export.json")
MODELS = ("gradflow-fmnist", "gradflow-digits")
# More rounds where one takes less time.
ROUNDS = {1: 400, 32: 100, 256: 40}


def compare(name: str, rounds: dict[int, int]) -> dict:
    """One model and its plain counterpart, at every batch size."""
    model = lipzoo.load(name)
    contents = {"lipzoo": to_onnx(model), "plain": to_onnx(plain_model(model))}
    sessions = {key: _session(content) for key, content in contents.items()}
    random = np.random.default_rng(0)
    rows = {}
    for batch_size, count in rounds.items():
        x = random.random((batch_size, *model.input_shape[1:]), "float32")
        outputs = [session.run(None, {"input": x})[0] for session in sessions.values()]
        difference = float(np.abs(outputs[0] - outputs[1]).max())
        if difference > 1e-4:
            raise AssertionError(f"the plain network computes something else: {difference}")
        seconds = interleaved(
            {
                key: lambda session=session, x=x: session.run(None, {"input": x})
                for key, session in sessions.items()
            },
            count,
            warmup=3,
        )
        rows[str(batch_size)] = paired_ratio(seconds, "lipzoo", "plain")
    operations = {key: _counted(content) for key, content in contents.items()}
    return {"batch_sizes": rows, "operations": operations}


def _session(content):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _counted(content):
    graph = onnx.load_from_string(content).graph
    return dict(collections.Counter(node.op_type for node in graph.node).most_common())


def main(arguments=None):
    """Writes the results and prints the ratios."""
    parser = argparse.ArgumentParser(prog="python -m studies.export", description=__doc__)
    parser.add_argument("--model", action="append", help=f"default: {', '.join(MODELS)}")
    parser.add_argument("--quick", action="store_true", help="few rounds: meaningless numbers")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    rounds = dict.fromkeys(ROUNDS, 3) if options.quick else ROUNDS
    models = {name: compare(name, rounds) for name in options.model or MODELS}
    for name, rows in models.items():
        for batch_size in rounds:
            print(name, batch_size, rows["batch_sizes"][str(batch_size)])
    machine = {
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        "onnxruntime": version("onnxruntime"),
        "tf2onnx": version("tf2onnx"),
    }
    write_json(options.output, {"models": models, "threads": 1, "machine": machine})


if __name__ == "__main__":
    main()
