"""`python -m studies.saturation`: what carries over to a forward operator that is not linear.

The signals of recipes/invnet-deblur1d.toml are blurred and then clipped by a detector that
saturates. Compared are an InvNet that ignores the clipping and one whose data steps are monotone
steps `x - τAᵀ(σ(Ax) - y)`, trained alike; and, as the limit of the idea, the gradient step of
phaseless measurements `|Ax|²`, whose local expansion is measured. The results are written to
studies/saturation.json.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

from lipzoo.bounds import lipschitz_bound
from lipzoo.evaluation.movement import worst_movement
from lipzoo.inverse import DataStep, MonotoneDataStep, Tikhonov
from lipzoo.layers import GradientFlowConv1D, Lift, Project
from lipzoo.training import load_data, read_recipe
from lipzoo.training.run_folder import write_json
from lipzoo.training.tasks import comparison, task_of
from studies.short_training import compile_short

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "invnet-deblur1d.toml"
# The detector clips at this value.
LEVEL = 0.6
STEPS, ATTACKED = 10, 50


def build(operator, alpha, monotone: bool):
    """An InvNet whose data steps know of the saturation, or not."""
    data = keras.Input(operator.output_shape)
    x = Lift(16)(Tikhonov(operator, alpha)(data))
    for k in range(STEPS):
        if k and monotone:
            x = MonotoneDataStep(operator, "hard_tanh", gain=1 / LEVEL)([x, data])
        elif k:
            x = DataStep(operator)([x, data])
        x = GradientFlowConv1D(32, 5)(x)
    return keras.Model(data, keras.ops.clip(Project(1)(x), 0.0, 1.0))


def phaseless_expansion(operator, images, seed=0) -> float:
    """The largest norm found of the Jacobian of `x ↦ x - τ ∇ ¼‖|Ax|² - y‖²` at noisy images.

    The misfit of `y = |Ax|²` is not convex: its Hessian `Aᵀ diag(3(Ax)² - y) A` has negative
    eigenvalues where `3(Ax)² < y`, and there a step of any length expands.
    """
    matrix, generator, largest = operator.matrix(), np.random.default_rng(seed), 0.0
    for image in images:
        truth = image.reshape(-1)
        y = (matrix @ truth) ** 2
        step = 1.0 / (3 * np.abs(matrix @ truth).max() ** 2 * operator.norm_bound**2)
        for point in (truth + generator.normal(size=truth.size), 0.3 * truth):
            hessian = matrix.T @ ((3 * (matrix @ point) ** 2 - y)[:, None] * matrix)
            norm = np.linalg.norm(np.eye(len(hessian)) - step * hessian, 2)
            largest = max(largest, float(norm))
    return largest


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.saturation", description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    options = parser.parse_args(arguments)
    recipe = read_recipe(RECIPE)
    task = task_of(recipe, load_data(recipe.data))
    x, images = (task.dataset.inputs(split) for split in (task.dataset.train, task.dataset.test))
    generator = np.random.default_rng(0)

    def measure(signals):
        exact = keras.ops.convert_to_numpy(task.operator.apply(signals))
        noise = task.standard_deviation * generator.standard_normal(exact.shape)
        return (np.minimum(exact, LEVEL) + noise).astype("float32")

    y, test = measure(x), measure(images)
    delta = task.standard_deviation * float(np.sqrt(task.operator.outputs))
    alpha = recipe.model.arguments["alpha"]
    results = {
        "level": LEVEL,
        "clipped_share": float(np.mean(test >= LEVEL - 2 * task.standard_deviation)),
        "epochs": options.epochs,
        "examples": len(images),
        "perturbation": delta,
        "networks": {},
    }
    for name, monotone in {"linear data steps": False, "monotone data steps": True}.items():
        keras.utils.set_random_seed(recipe.seed)
        model = build(task.operator, alpha, monotone)
        batch = recipe.training.batch_size
        compile_short(model, recipe, options.epochs * len(x) // batch)
        model.fit(y, x, batch_size=batch, epochs=options.epochs, verbose=0)
        found = worst_movement(model, test[:ATTACKED], delta).movement
        bound = lipschitz_bound(model).value
        results["networks"][name] = {
            **comparison.errors(model.predict(test, verbose=0), images),
            "lipschitz_bound": bound,
            "certified_movement": bound * delta,
            "worst_movement": float(found.max()),
        }
        print(name, results["networks"][name], flush=True)
    results["phaseless_step_expands_by"] = phaseless_expansion(task.operator, images[:20])
    print(f"phaseless step: expands by {results['phaseless_step_expands_by']:.3f} at some points")
    write_json(options.output / "saturation.json", results)


if __name__ == "__main__":
    main()
