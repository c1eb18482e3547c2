"""What the constraint, the layers and the certificate cost, each against its plain counterpart."""

import json
import subprocess
import sys

import numpy as np

import lipzoo
from lipzoo.training.model import compile_model
from lipzoo.training.settings import TrainingSettings
from studies.plain import plain_model
from studies.timing import interleaved, paired_ratio

IMAGES = 2000

_LOAD = """
import json, sys, time
start = time.perf_counter()
import keras
imported = time.perf_counter()
import lipzoo
seconds = {"import_keras": imported - start, "import_lipzoo": time.perf_counter() - imported}
for turn in ("first", "second"):
    start = time.perf_counter()
    model = lipzoo.load(sys.argv[1])
    bound = float(lipzoo.lipschitz_bound(model))
    seconds[turn] = time.perf_counter() - start
print(json.dumps(seconds))
"""


def training_step(name: str, training: TrainingSettings, rounds: int) -> dict:
    """The recipe's training step with the constraints against the same step without them."""
    batch_size = training.batch_size
    models = {"constrained": lipzoo.load(name), "unconstrained": lipzoo.load(name)}
    for weight in models["unconstrained"].weights:
        weight.constraint = None
    random = np.random.default_rng(0)
    shape, classes = models["constrained"].input_shape[1:], models["constrained"].output_shape[-1]
    x = random.random((batch_size, *shape), "float32")
    y = random.integers(classes, size=batch_size)
    steps = {}
    for key, model in models.items():
        compile_model(model, training, steps=1000, epsilons={})
        steps[key] = lambda model=model: model.train_on_batch(x, y)
    seconds = interleaved(steps, rounds, warmup=3)
    return {"batch_size": batch_size, **paired_ratio(seconds, "constrained", "unconstrained")}


def inference(name: str, rounds: int) -> dict:
    """Inference with lipzoo's layers against the same network written in plain `keras.ops`."""
    model = lipzoo.load(name)
    plain = plain_model(model)
    x = np.random.default_rng(0).random((IMAGES, *model.input_shape[1:]), "float32")
    difference = np.abs(_predict(model, x) - _predict(plain, x)).max()
    if difference > 1e-4:
        raise AssertionError(f"the plain network computes something else: {difference}")
    seconds = interleaved(
        {"lipzoo": lambda: _predict(model, x), "plain": lambda: _predict(plain, x)}, rounds
    )
    return {"images": IMAGES, **paired_ratio(seconds, "lipzoo", "plain")}


def certifying(name: str, rounds: int) -> dict:
    """`certify`, with the bound known, against `model.predict` on the same images."""
    model = lipzoo.load(name)
    lipzoo.lipschitz_bound(model)
    x = np.random.default_rng(0).random((IMAGES, *model.input_shape[1:]), "float32")
    seconds = interleaved(
        {
            "certify": lambda: lipzoo.certify(model, x, batch_size=256, reference=None, verbose=0),
            "predict": lambda: _predict(model, x),
        },
        rounds,
    )
    return {"images": IMAGES, **paired_ratio(seconds, "certify", "predict")}


def loading(name: str, processes: int) -> dict:
    """Seconds from `import keras` done to a model with its bound, in fresh processes."""
    runs = []
    for _ in range(processes):
        output = subprocess.run(
            [sys.executable, "-c", _LOAD, name], capture_output=True, text=True, check=True
        ).stdout
        runs.append(json.loads(output.splitlines()[-1]))
    median = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
    return {
        "beyond_keras_seconds": round(median["import_lipzoo"] + median["first"], 3),
        "again_seconds": round(median["second"], 3),
        "import_keras_seconds": round(median["import_keras"], 3),
        "processes": processes,
    }


def _predict(model, x):
    return model.predict(x, batch_size=256, verbose=0)
