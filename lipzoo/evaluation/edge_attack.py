"""A search at the very edge of certified balls, where rounding decides."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lipzoo.bounds.domain import Domain
from lipzoo.certificates.inputs import check_in_domain, check_inputs
from lipzoo.certificates.prediction import check_runs_as_recorded, own_prediction
from lipzoo.evaluation.balls import column, difference, norms, scaled
from lipzoo.evaluation.margins import computed_logits, computed_margins, margin_loss_and_gradient
from lipzoo.validation import integer

# Lengths are computed in float64 and compared with radii that are open balls.
_INSIDE = 1 - 1e-13
# Rounding a point of the sphere to the grid can carry it out of the ball; then it is shortened.
_SHARES = (1.0, 1 - 1e-14, 1 - 1e-12, 1 - 1e-9, 1 - 1e-7, 1 - 1e-6, 1 - 1e-5, 1 - 1e-3, 0.9)


@dataclass(frozen=True)
class EdgeAttack:
    """What the search at the edge found.

    Attributes:
        inputs: the input with the smallest computed margin of each example, shape of `x`.
        margin: that margin, `f_y - max_{j≠y} f_j` with y the prediction at x; infinite for examples
            that were not attacked.
        violated: whether y lost there, shape `(examples,)`.
        attacked: whether the radius was positive and finite, so that there was an edge.
        tries: number of inputs that were evaluated.
    """

    inputs: np.ndarray
    margin: np.ndarray
    violated: np.ndarray
    attacked: np.ndarray
    tries: int

    def __str__(self) -> str:
        """One line: how many radii did not hold."""
        return (
            f"{int(self.violated.sum())} of {int(self.attacked.sum())} radii violated in "
            f"{self.tries:,} tries"
        )


def edge_attack(
    model: keras.Model,
    x,
    radius,
    *,
    tries: int = 10,
    steps: int = 3,
    seed: int = 0,
    batch_size: int = 256,
    domain: Any = None,
) -> EdgeAttack:
    """Tries to break certified radii by rounding: at their edge, one rounding after another.

    A radius that ignores rounding is right about the function and can be wrong about the numbers
    that a machine computes. The search looks where the two differ most: at inputs x' with
    `‖x' - x‖₂` just below the radius, in the direction in which the computed margin falls fastest
    (`steps` times the gradient, `d ← -r g(x + d) / ‖g(x + d)‖`), and then among the neighbours of
    that point in the floating point grid, from the best one to the next. Every try is an input of
    the model's own dtype that lies inside the ball, and its prediction is the model's own.

    Finding nothing proves nothing; a violation refutes the certificate.

    Args:
        model: a model from one batch of inputs to logits of shape `(batch, classes)`, of at least
            two classes.
        x: inputs, of shape `(examples, ...)`.
        radius: what is certified around each, such as `lipzoo.certify(model, x).radius`.
        tries: inputs evaluated per example.
        steps: gradient steps before.
        seed: seed of the random neighbours.
        batch_size: examples at once.
        domain: the box that the radii were certified in, see `lipzoo.certify`; none but its inputs
            are tried.

    Returns:
        An `EdgeAttack`.

    Raises:
        ValueError: for inputs or radii that do not fit the model, inputs that are not in the
            domain, settings below 1, or a model that does not compute what its layers say.

    Reference: [arXiv:2205.10159](https://arxiv.org/abs/2205.10159).

    Example: a linear classifier of many features, with and without rounding in its radii.

    >>> import lipzoo
    >>> inputs = keras.Input((2000,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(inputs))
    >>> x = np.random.default_rng(0).normal(size=(20, 2000)).astype("float32")
    >>> honest = lipzoo.certify(model, x, verbose=0)
    >>> naive = lipzoo.certify(model, x, rounding=False, verbose=0)
    >>> int(edge_attack(model, x, honest.radius).violated.sum())
    0
    >>> bool(edge_attack(model, x, naive.radius).violated.any())
    True
    """
    check_runs_as_recorded(model)
    arrays = check_inputs(model, x)
    batch_size = integer(batch_size, "batch_size")
    tries, steps = integer(tries, "tries"), integer(steps, "steps")
    if len(arrays) != 1 or model.output_shape[-1] < 2:
        raise ValueError(
            "Expected a model with one input and at least two logits. "
            f"Received: {len(arrays)} inputs, output_shape={model.output_shape}"
        )
    x = arrays[0].astype(model.inputs[0].dtype)
    radius = np.asarray(radius, "float64")
    if radius.shape != (len(x),) or not np.all(radius >= 0):
        raise ValueError(
            f"Expected a radius of at least 0 for each of {len(x)} examples. "
            f"Received: radius of shape {radius.shape}"
        )
    box = None
    if domain is not None:
        known = Domain.of(domain, model)
        check_in_domain(known, [x])
        box = _rounded_inwards(known, x.dtype)
    attacked = (radius > 0) & np.isfinite(radius)
    found, margin = x.copy(), np.full(len(x), np.inf)
    random = np.random.default_rng(seed)
    loss = margin_loss_and_gradient(model)
    rows = np.flatnonzero(attacked)
    for first in range(0, len(rows), batch_size):
        part = rows[first : first + batch_size]
        found[part], margin[part] = _attack_batch(
            model, loss, x[part], radius[part] * _INSIDE, tries, steps, random, box
        )
    return EdgeAttack(found, margin, margin <= 0, attacked, tries * len(rows))


def _rounded_inwards(domain: Domain, dtype) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest numbers of a type in a box."""
    low, high = domain.low.astype(dtype), domain.high.astype(dtype)
    infinity = np.array(np.inf, dtype)
    return (
        np.where(low < domain.low, np.nextafter(low, infinity), low),
        np.where(high > domain.high, np.nextafter(high, -infinity), high),
    )


def _attack_batch(model, loss, x, radius, tries, steps, random, box):
    """The inputs with the smallest margins that were tried, and their margins."""
    label = _logits(model, x).argmax(axis=1)
    offset = np.zeros(x.shape)
    for _ in range(steps):
        _, gradient = loss((x + offset).astype(x.dtype), label.astype("int32"))
        offset = scaled(gradient.astype("float64"), radius)
    best, smallest = x.copy(), np.full(len(x), np.inf)
    for attempt in range(tries):
        candidate = offset
        if attempt:
            # About one unit in the last place of every coordinate, up or down.
            unit = np.spacing(np.abs((x + offset).astype(x.dtype))).astype("float64")
            candidate = offset + random.uniform(-1.0, 1.0, x.shape) * unit
        point = _inside(x, candidate, radius, box)
        margin = computed_margins(_logits(model, point), label)
        better = margin < smallest
        best[better], smallest[better] = point[better], margin[better]
        offset[better] = difference(point, x)[better]
    return best, smallest


def _inside(x, offset, radius, box):
    """`x + offset` in the dtype of x, inside the ball: as near to its edge as rounding allows.

    And inside the box, if there is one: of x in it, the nearest point there is no farther away.
    """
    point = x.copy()
    left = np.ones(len(x), bool)
    for share in _SHARES:
        limit = column(share * radius / np.maximum(norms(offset), radius), x)
        candidate = (x + offset * limit).astype(x.dtype)
        if box is not None:
            candidate = np.clip(candidate, *box)
        fits = left & (norms(difference(candidate, x)) <= radius)
        point[fits] = candidate[fits]
        left &= ~fits
    return point


def _logits(model, x):
    """The logits as the model computes them."""
    with own_prediction(model):
        return computed_logits(keras.ops.convert_to_numpy(model.predict_on_batch(x)))
