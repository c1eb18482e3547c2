"""A reconstruction beside the classical ones: error, proven bound, worst movement, time."""

import time
from typing import Any

import keras
import numpy as np

from lipzoo.bounds import lipschitz_bound
from lipzoo.evaluation.movement import worst_movement
from lipzoo.inverse.certificate import certify_reconstruction
from lipzoo.inverse.image_metrics import psnr, relative_error, ssim
from lipzoo.inverse.parameter_choice import choose_alpha, choose_weight
from lipzoo.inverse.tikhonov_reconstruction import alpha_for_bound, tikhonov, tikhonov_norm_bound
from lipzoo.inverse.total_variation.reconstruction import total_variation

# The parameters of the classical methods are chosen on so many validation examples.
SELECTION_EXAMPLES = 200
# The search for the worst measurement takes many gradients: on so many test examples.
ATTACKED_EXAMPLES = 100


def compare(task: Any, model: keras.Model) -> dict[str, Any]:
    """Measures a model and the classical methods on the test split.

    Tikhonov's α and total variation's weight are those of the lowest mean squared error on
    validation data; another Tikhonov has the α at which its proven constant is the model's. The
    movement is that of a reconstruction whose measurement moves by the norm of the noise,
    `standard deviation · sqrt(values)`: the largest certified radius of some examples, rounding
    included, and the worst that `lipzoo.worst_movement` found for them; of Tikhonov's linear map
    the proven and the true worst.

    Args:
        task: a `ReconstructionTask`.
        model: its model.

    Returns:
        The content of `metrics.json` under `"test"`.
    """
    y, x = task.test()
    delta = task.standard_deviation * float(np.sqrt(task.operator.outputs))
    alpha, weight = select(task)
    bound = lipschitz_bound(model).value
    equal = alpha_for_bound(task.operator, bound)
    return {
        "examples": len(x),
        "noise": task.recipe.measurement.noise,
        "standard_deviation": task.standard_deviation,
        "perturbation": delta,
        "attacked_examples": min(len(x), ATTACKED_EXAMPLES),
        "methods": {
            task.recipe.model.architecture: network_row(model, y, x, delta),
            "Tikhonov": tikhonov_row(task.operator, alpha, y, x, delta),
            "Tikhonov, equal bound": tikhonov_row(task.operator, equal, y, x, delta),
            "TV": variation_row(task.operator, weight, y, x),
        },
    }


def select(task, noise: float = 1.0) -> tuple[float, float]:
    """Tikhonov's α and total variation's weight, chosen on validation data.

    Args:
        task: a `ReconstructionTask`.
        noise: factor on the recipe's noise.
    """
    y, x = (part[:SELECTION_EXAMPLES] for part in task.measured("validation", noise))
    alpha = choose_alpha(task.operator, y, x).value
    return alpha, choose_weight(task.operator, y, x).value


def network_row(model, y, x, delta: float) -> dict:
    """What is reported of a network."""
    # Before it is timed: a batch of another size would be traced anew.
    model.predict(y, verbose=0)
    started = time.perf_counter()
    images = model.predict(y, verbose=0)
    seconds = time.perf_counter() - started
    certificate = certify_reconstruction(model, y[:ATTACKED_EXAMPLES], delta, verbose=0)
    found = worst_movement(model, y[:ATTACKED_EXAMPLES], delta)
    return {
        **errors(images, x),
        "lipschitz_bound": certificate.bound.value,
        "certified_movement": float(certificate.radius.max()),
        "worst_movement": float(found.movement.max()),
        "seconds": seconds / len(x),
        "parameters": int(model.count_params()),
    }


def tikhonov_row(operator, alpha: float, y, x, delta: float) -> dict:
    """What is reported of Tikhonov's reconstruction."""
    started = time.perf_counter()
    images = tikhonov(operator, y, alpha)
    seconds = time.perf_counter() - started
    bound = tikhonov_norm_bound(operator, alpha)
    return {
        **errors(images, x),
        "lipschitz_bound": bound,
        "certified_movement": bound * delta,
        "worst_movement": float(
            delta * np.linalg.norm(operator.regularised_inverse(alpha).matrix(), 2)
        ),
        "seconds": seconds / len(x),
        "alpha": alpha,
    }


def variation_row(operator, weight: float, y, x) -> dict:
    """What is reported of total variation, which has no proven bound."""
    started = time.perf_counter()
    result = total_variation(operator, y, weight)
    seconds = time.perf_counter() - started
    return {
        **errors(result.images, x),
        "lipschitz_bound": None,
        "certified_movement": None,
        "worst_movement": None,
        "seconds": seconds / len(x),
        "weight": weight,
    }


def errors(images, x) -> dict:
    """Means over the examples of the three measures of error."""
    return {
        "psnr": float(psnr(images, x).mean()),
        "ssim": float(ssim(images, x).mean()),
        "relative_error": float(relative_error(images, x).mean()),
    }
