"""`python -m studies.int8`: networks exported with weights in int8, beside float32.

Accuracy and certified accuracy on the whole test split, both from the outputs of ONNX Runtime and
the certificate that the file holds (radii in exact arithmetic), and the size of the file. Then a
search for violations on scikit-learn's digits, all of them: projected gradient ascent on the
network of the stored weights inside each certified radius, from several starts, and the end points
put to ONNX Runtime at every level of graph optimisation. Writes studies/int8.json.
"""

import argparse
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

import lipzoo
from lipzoo.data.settings import DataSettings
from lipzoo.evaluation import pgd_attack
from lipzoo.exporting.int8_graph import run_at_every_level
from lipzoo.exporting.quantisation import quantised_kernels
from lipzoo.exporting.running import run_exported
from lipzoo.training import load_data
from lipzoo.training.run_folder import write_json

RESULTS = Path(__file__).with_name("int8.json")
MODELS = {
    "gradflow-fmnist": "tfds:fashion_mnist",
    "gradflow-mnist": "tfds:mnist",
    "gradflow-digits": "sklearn:digits",
}
EPSILONS = (0.25, 0.5, 1.0)
# Shares of the radius: just inside, where everything changes first, and beyond, as a control.
INSIDE, BEYOND = 0.9999, 3.0


def measure(name: str, source: str, examples: int | None = None) -> dict:
    """Accuracies and sizes of one model's exports."""
    dataset = load_data(DataSettings(source=source))
    x, y = dataset.inputs(dataset.test)[:examples], dataset.test.y[:examples]
    model = lipzoo.load(name)
    rows = {}
    for key, quantize in (("float32", None), ("int8", "int8")):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            certificate = lipzoo.export(model, path, "onnx", quantize=quantize)
            content = path.read_bytes()
        parts = np.split(x, range(500, len(x), 500))
        logits = np.concatenate([run_exported(content, "onnx", part) for part in parts])
        radius, correct = certificate.radius(logits), logits.argmax(axis=1) == y
        certified = {str(e): float(np.mean(correct & (radius > e))) for e in EPSILONS}
        rows[key] = {
            "bytes": len(content),
            "lipschitz_bound": certificate.lipschitz_bound,
            "clean": float(np.mean(correct)),
            "certified": certified,
        }
    return {"examples": len(x), **rows}


def search(name: str, examples: int | None = None, steps: int = 40, restarts: int = 3) -> dict:
    """Violations of the int8 file's certificate on all digits: none may be found."""
    from sklearn.datasets import load_digits

    x = (load_digits().images[:examples, :, :, None] / 16).astype("float32")
    model = lipzoo.load(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        certificate = lipzoo.export(model, path, "onnx", quantize="int8")
        content = path.read_bytes()
    logits = run_exported(content, "onnx", x)
    radius, prediction = certificate.radius(logits), logits.argmax(axis=1)
    found = {}
    with quantised_kernels(model):
        for key, share in (("inside", INSIDE), ("beyond", BEYOND)):
            attacked = pgd_attack(
                model,
                x,
                prediction,
                share * radius,
                steps=steps,
                restarts=restarts,
                clip=None,
            ).inputs
            distance = np.linalg.norm((attacked - x).reshape(len(x), -1).astype("float64"), axis=1)
            outputs = run_at_every_level(content, attacked)
            changed = np.stack([o.argmax(axis=1) != prediction for o in outputs.values()])
            within = distance < radius if key == "inside" else np.ones(len(x), bool)
            found[key] = int(np.sum(changed.any(axis=0) & within))
    return {
        "model": name,
        "examples": len(x),
        "steps": steps,
        "restarts": restarts,
        "radius_share": {"inside": INSIDE, "beyond": BEYOND},
        "changed": found,
        "median_radius": float(np.median(radius)),
    }


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.int8", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one model, a few examples")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    count = 60 if options.quick else None
    models = {"gradflow-digits": MODELS["gradflow-digits"]} if options.quick else MODELS
    values = {
        "models": {name: measure(name, source, count) for name, source in models.items()},
        "search": search("gradflow-digits", count),
        "machine": {"onnxruntime": version("onnxruntime"), "tf2onnx": version("tf2onnx")},
    }
    write_json(options.output, values)
    print(values)


if __name__ == "__main__":
    main()
