"""Searches for the measurement that moves a reconstruction furthest."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from lipzoo.autodiff.input_gradients import value_and_input_gradient
from lipzoo.certificates.inputs import check_inputs, check_radius
from lipzoo.certificates.prediction import check_runs_as_recorded, predict
from lipzoo.evaluation.balls import difference, into_ball, norms, scaled
from lipzoo.validation import integer
from lipzoo_catalogue.progress import Progress


@dataclass(frozen=True)
class Movement:
    """What the search found.

    Attributes:
        measurements: the worst measurements found, within `noise_norm` of the given ones.
        movement: `‖f(measurement) - f(y)‖` of each, shape `(examples,)`, float64.
        noise_norm: radius of the ball of measurements, shape `(examples,)`.
    """

    measurements: np.ndarray
    movement: np.ndarray
    noise_norm: np.ndarray

    @property
    def amplification(self) -> np.ndarray:
        """`movement / noise_norm`, a lower estimate of the Lipschitz constant near y."""
        return self.movement / np.where(self.noise_norm > 0, self.noise_norm, np.inf)

    def __str__(self) -> str:
        """One line: the mean and the largest movement."""
        return (
            f"{len(self.movement)} reconstructions moved by {self.movement.mean():.4g} on average "
            f"and by {self.movement.max():.4g} at most, up to {self.amplification.max():.4g} times "
            "the norm of the perturbation"
        )


def worst_movement(
    model: keras.Model,
    y,
    noise_norm,
    *,
    steps: int = 30,
    restarts: int = 1,
    seed: int = 0,
    batch_size: int = 128,
    verbose: int | str = "auto",
) -> Movement:
    """Searches each ball of measurements for the one whose reconstruction moves furthest.

    Maximises `‖f(y + d) - f(y)‖` over `‖d‖ <= δ` by `d ← δ g / ‖g‖`, g the gradient of half the
    squared movement at `y + d`: power iteration on the Jacobian's Gram matrix where f is linear,
    and a search otherwise. It ends below `lipzoo.certify_reconstruction`'s radius, always; the gap
    says how tight that is.

    Args:
        model: built `keras.Model` with one input, a reconstruction.
        y: measurements, `(examples, ...)`.
        noise_norm: δ, one number or one per example.
        steps: gradient steps per run.
        restarts: runs per example, each from another random direction.
        seed: seed of the random starts.
        batch_size: examples searched at once.
        verbose: whether to show progress on stderr; `"auto"` does on a terminal.

    Returns:
        A `Movement`.

    Raises:
        ValueError: for measurements that do not fit the model, a δ that is negative or not finite,
            steps, restarts or a batch size below 1, or a model that does not compute what its
            layers say.

    Example: a diagonal matrix moves most along its largest entry.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.diag([3.0, 1.0])])
    >>> float(worst_movement(model, np.zeros((1, 2)), 0.5).movement[0])
    1.5
    """
    check_runs_as_recorded(model)
    arrays = check_inputs(model, y)
    if len(arrays) != 1:
        raise ValueError(f"Expected a model with one input. Received: {len(arrays)} inputs")
    steps, restarts = integer(steps, "steps"), integer(restarts, "restarts")
    batch_size = integer(batch_size, "batch_size")
    dtype = "float64" if model.inputs[0].dtype == "float64" else "float32"
    y = arrays[0].astype(dtype)
    noise = check_radius(noise_norm, "noise_norm", len(y))
    movement = value_and_input_gradient(_squared_movement(model), model.variables)
    random = np.random.default_rng(seed)
    found, furthest = y.copy(), np.zeros(len(y))
    progress = Progress(verbose)
    progress.begin("worst movement", restarts * (steps + 1) * len(y), "gradients")
    for first in range(0, len(y), batch_size):
        part = slice(first, first + batch_size)
        origin = ops.convert_to_numpy(model(y[part], training=False))
        for _ in range(restarts):
            offset = scaled(random.standard_normal(y[part].shape), noise[part])
            for step in range(steps + 1):
                point, offset = into_ball(y[part], offset, noise[part])
                squares, gradient = movement(point, origin)
                lengths = np.sqrt(squares.astype("float64"))
                better = lengths > furthest[part]
                found[part][better], furthest[part][better] = point[better], lengths[better]
                progress.advance(len(point))
                if step < steps:
                    offset = scaled(gradient.astype("float64"), noise[part])
    progress.end()
    return Movement(found, _measured(model, y, found, batch_size), noise)


def _squared_movement(model):
    def function(y, origin):
        moved = model(y, training=False) - origin
        return ops.sum(ops.square(moved), axis=tuple(range(1, len(moved.shape))))

    return function


def _measured(model, y, found, batch_size):
    """The movements as `predict` computes them, their norms in float64."""
    before, after = (predict(model, v, batch_size) for v in (y, found))
    return norms(difference(after, before))
