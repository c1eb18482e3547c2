"""`python -m studies.depth`: the deep networks on images, forwards, backwards and at depth 256.

Writes studies/depth.json: how exactly the pretrained body runs backwards, the norms of its
Jacobians at validation images, and one epoch of its recipe at depth 256.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo.data.dataset import load_data
from lipzoo.training import read_recipe
from lipzoo.training.batches import Batches, EpochStart
from lipzoo.training.model import build_model, compile_model
from lipzoo.training.run_folder import write_json
from lipzoo.training.tasks import ClassificationTask

RESULTS = Path(__file__).with_name("depth.json")
RECIPES = Path(__file__).parents[1] / "recipes"


def round_trip(name: str, x) -> dict:
    """Largest and mean error of running the flows forwards and backwards, relative to the state."""
    errors = {}
    for dtype in ("float32", "float64"):
        body = lipzoo.load(name, include_top=False, dtype=dtype)
        flows = [layer for layer in body.layers if hasattr(layer, "inverse")]
        state = keras.Model(body.input, flows[0].input)(x.astype(dtype))
        value = state
        for flow in flows:
            value = flow(value)
        for flow in reversed(flows):
            value = flow.inverse(value)
        state, value = (
            keras.ops.convert_to_numpy(tensor).reshape(len(x), -1).astype("float64")
            for tensor in (state, value)
        )
        relative = np.linalg.norm(value - state, axis=1) / np.linalg.norm(state, axis=1)
        errors[dtype] = {"mean": float(relative.mean()), "max": float(relative.max())}
    return {"layers": len(flows), "images": len(x), "relative_error": errors}


def sensitivity(name: str, x) -> dict:
    """Norms of the Jacobians at some images, by power iteration: estimates from below."""
    norms = lipzoo.jacobian_norms(lipzoo.load(name, include_top=False), x)
    return {
        "method": norms.method,
        "images": len(x),
        # Without the last state's own, which is 1.
        "smallest_backward_norm": float(norms.backward[:-1].min()),
        "largest_backward_norm": float(norms.backward[:-1].max()),
        "smallest_forward_norm": float(norms.forward.min()),
        "largest_forward_norm": float(norms.forward.max()),
    }


def one_epoch(recipe, dataset, depth: int, steps: int | None) -> dict:
    """Trains the recipe's network at another depth for its first epoch, or fewer steps."""
    keras.utils.set_random_seed(recipe.seed)
    training = recipe.training
    arguments = {**ClassificationTask(recipe, dataset).arguments(), "depth": depth}
    model = build_model(recipe.model.architecture, arguments)
    batches = Batches(
        dataset.train, dataset.divisor, training.batch_size, recipe.seed, training.augment
    )
    compile_model(model, training, len(batches), {})
    losses = _Losses()
    model.fit(
        batches,
        epochs=1,
        steps_per_epoch=steps,
        shuffle=False,
        callbacks=[EpochStart(batches, training.augment_at), losses],
        verbose=2,
    )
    x, y = dataset.inputs(dataset.validation), dataset.validation.y
    accuracy = float(np.mean(model.predict(x, batch_size=500, verbose=0).argmax(1) == y))
    return {
        "depth": depth,
        "steps": len(losses.values),
        "mean_loss_of_first_10_steps": float(np.mean(losses.values[:10])),
        "mean_loss_of_last_10_steps": float(np.mean(losses.values[-10:])),
        "all_finite": bool(np.all(np.isfinite(losses.values))),
        "validation_accuracy": accuracy,
    }


class _Losses(keras.callbacks.Callback):
    """The loss of each step, from the running mean that Keras logs."""

    def __init__(self):
        super().__init__()
        self.values, self._total = [], 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = float(logs["loss"]) * (batch + 1)
        self.values.append(total - self._total)
        self._total = total


def main(arguments=None):
    """Writes the results."""
    parser = argparse.ArgumentParser(prog="python -m studies.depth", description=__doc__)
    parser.add_argument("--model", default="hamnet-fmnist")
    parser.add_argument("--depth", type=int, default=256)
    parser.add_argument("--steps", type=int, help="fewer than the epoch has, to try it out")
    parser.add_argument("--only", action="append", help="a part to measure anew, keeping the rest")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    recipe = read_recipe(RECIPES / f"{options.model}.toml")
    dataset = load_data(recipe.data)
    x = dataset.inputs(dataset.validation)
    parts = {
        "round_trip": lambda: round_trip(options.model, x[:256]),
        "sensitivity": lambda: sensitivity(options.model, x[:4]),
        "first_epoch": lambda: one_epoch(recipe, dataset, options.depth, options.steps),
    }
    results = {"model": options.model}
    if options.only:
        results = json.loads(options.output.read_text())
    for name in options.only or parts:
        results[name] = parts[name]()
    write_json(options.output, results)


if __name__ == "__main__":
    main()
