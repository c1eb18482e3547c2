"""Projected gradient ascent on the margin loss: what a certified radius has to withstand."""

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt

from lipzoo.certificates.inputs import check_labels
from lipzoo.certificates.prediction import check_runs_as_recorded
from lipzoo.evaluation.balls import difference, into_ball, norms, random_offsets, scaled
from lipzoo.evaluation.margins import margin_loss_and_gradient


@dataclass(frozen=True)
class AttackResult:
    """What an attack found.

    Attributes:
        inputs: the strongest inputs found, `x` itself included among the tries, shape of `x`.
        success: whether the label lost at `inputs`, shape `(examples,)`. A tie counts as lost.
        margin: `f_y - max_{j≠y} f_j` at `inputs`, shape `(examples,)`.
        distance: `‖inputs - x‖₂` in float64, shape `(examples,)`; never above `epsilon`.
        epsilon: the radius each example was attacked at, shape `(examples,)`.
    """

    inputs: np.ndarray
    success: np.ndarray
    margin: np.ndarray
    distance: np.ndarray
    epsilon: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of examples that kept their label: an upper estimate of the robust accuracy."""
        return float(np.mean(~self.success))

    def __str__(self) -> str:
        """One line: how many examples lost their label, at which distances."""
        count, total = int(self.success.sum()), len(self.success)
        line = f"{count} of {total} examples lost their label"
        if count:
            lost = self.distance[self.success]
            line += f", at l2 distances from {lost.min():.4g} to {lost.max():.4g}"
        return line


def pgd_attack(
    model: keras.Model,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    epsilon: npt.ArrayLike,
    *,
    steps: int = 50,
    restarts: int = 1,
    step_size: float | None = None,
    seed: int = 0,
    batch_size: int = 256,
    clip: tuple[float, float] | None = (0.0, 1.0),
) -> AttackResult:
    """Searches each l2 ball for an input that is classified differently.

    Projected gradient ascent on the margin loss `ℓ(z) = max_{j≠y} f_j(z) - f_y(z)`:

        z ← Π(z + α ∇ℓ(z)/‖∇ℓ(z)‖₂),   Π onto {‖z - x‖₂ ≤ ε} and then onto the box `clip`,

    which keeps both, since the box contains `x`. The first run starts at `x`, further ones at
    random points of the ball, and α falls linearly to a tenth. The strongest point of all runs is
    returned. Failing to find an input proves nothing (that is what `lipzoo.certify` is for);
    finding one refutes any certificate of radius at least its distance.

    Args:
        model: a model from one batch of inputs to logits of shape `(batch, classes)`.
        x: inputs, of shape `(examples, ...)`, within `clip`.
        y: labels, as integers of shape `(examples,)` or one-hot.
        epsilon: l2 radius in the units of `x`: a number, or one per example.
        steps: gradient steps per run.
        restarts: runs per example.
        step_size: α as a share of ε. `None` takes `2.5 / steps`, at least 0.05.
        seed: seed of the random starts.
        batch_size: examples attacked at once.
        clip: smallest and largest value an input may take, or `None`.

    Returns:
        An `AttackResult`.

    Raises:
        ValueError: for inputs, labels or settings that do not fit together, or a model that does
            not compute what its layers say.
        TypeError: for labels that are no numbers.

    Reference: Madry et al., [arXiv:1706.06083](https://arxiv.org/abs/1706.06083).

    Example: the boundary of `f(x) = (x, 0)` is at 0, so 0.5 falls to any radius of 0.5 or more.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.array([[1.0, 0.0]])])
    >>> x = np.array([[0.5], [0.5]], "float32")
    >>> pgd_attack(model, x, [0, 0], [0.4, 0.6], clip=None).success.tolist()
    [False, True]
    """
    x, y, epsilon = _validated(model, x, y, epsilon, clip)
    for name, number in (("steps", steps), ("restarts", restarts), ("batch_size", batch_size)):
        if number < 1:
            raise ValueError(f"expected {name} >= 1; Received: {name}={number}")
    rates = step_rates(steps, step_size)
    loss = margin_loss_and_gradient(model)
    random = np.random.default_rng(seed)
    found, margin = np.empty_like(x), np.empty(len(x))
    for first in range(0, len(x), batch_size):
        part = slice(first, first + batch_size)
        for restart in range(restarts):
            offset = start_offset(x[part], epsilon[part], random, restart)
            inputs, margins = ascend(loss, x[part], y[part], epsilon[part], rates, offset, clip)
            better = margins < margin[part] if restart else np.full(len(inputs), True)
            found[part][better], margin[part][better] = inputs[better], margins[better]
    return AttackResult(found, margin <= 0, margin, norms(difference(found, x)), epsilon)


def step_rates(steps: int, step_size: float | None) -> np.ndarray:
    """The lengths of the steps as shares of ε, falling linearly to a tenth.

    Raises:
        ValueError: if `step_size` is not positive.
    """
    if step_size is None:
        step_size = max(2.5 / steps, 0.05)
    if not step_size > 0:
        raise ValueError(f"expected step_size > 0; Received: step_size={step_size}")
    return step_size * np.linspace(1.0, 0.1, steps)


def start_offset(x, epsilon, random, restart: int) -> np.ndarray:
    """Where a run starts, seen from `x`: the first at `x`, further ones anywhere in the ball."""
    return random_offsets(x.shape, epsilon, random) if restart else np.zeros(x.shape)


def ascend(loss, x, y, epsilon, rates, offset, clip, stop: bool = False):
    """One run of projected gradient ascent on a batch.

    Args:
        loss: `margin_loss_and_gradient(model)`.
        x, y, epsilon: examples, labels and a radius for each.
        rates: see `step_rates`.
        offset: see `start_offset`.
        clip: smallest and largest value, or `None`.
        stop: whether an example takes no further step once its label is lost.

    Returns:
        The strongest inputs of the run and their margins.
    """
    best, best_loss = x.copy(), np.full(len(x), -np.inf)
    active = np.arange(len(x))
    for rate in (*rates, None):
        centre, radius = x[active], epsilon[active]
        point, offset = into_ball(centre, offset, radius, clip)
        values, gradient = loss(point, y[active])
        better = values > best_loss[active]
        best[active[better]], best_loss[active[better]] = point[better], values[better]
        if rate is None:
            break
        offset = offset + scaled(gradient.astype("float64"), rate * radius)
        if stop:
            standing = best_loss[active] < 0
            active, offset = active[standing], offset[standing]
            if not len(active):
                break
    return best, -best_loss


def _validated(model, x, y, epsilon, clip):
    check_runs_as_recorded(model)
    x = np.asarray(x, "float64" if model.inputs[0].dtype == "float64" else "float32")
    expected = tuple(model.input_shape[1:])
    fits = x.ndim == len(expected) + 1 and all(
        size in (None, given) for size, given in zip(expected, x.shape[1:], strict=True)
    )
    if not fits or len(x) == 0:
        raise ValueError(
            f"expected x of shape {(None, *expected)}, not empty; Received: x.shape={x.shape}"
        )
    if not np.all(np.isfinite(x)):
        raise ValueError("expected finite inputs; Received: x with NaN or infinity")
    if clip is not None and (x.min() < clip[0] or x.max() > clip[1]):
        raise ValueError(
            f"expected x within clip={clip}; Received: x from {x.min():.6g} to {x.max():.6g}"
        )
    y = check_labels(y, len(x), model.output_shape[-1])
    radii = np.asarray(epsilon, "float64")
    if radii.shape not in ((), (len(x),)) or not np.all(np.isfinite(radii)) or radii.min() < 0:
        raise ValueError(
            f"expected epsilon finite, >= 0, one number or {len(x)} of them; "
            f"Received: epsilon={epsilon}"
        )
    return x, y.astype("int32"), np.broadcast_to(radii, (len(x),)).copy()
