"""Looks for inputs at which a bound, a radius or a ball is wrong."""

from dataclasses import dataclass

import numpy as np

import lipzoo
from lipzoo.inverse import certify_reconstruction
from lipzoo.inverse.layers import PlugAndPlay
from studies.differential.functions import Function

# The twin computes in float64, and the bound is one for exact arithmetic.
# Norm of inputs of which nothing that layers make of them is near 65,504.
_LARGEST_IN_FLOAT16 = 1e3
_RELATIVE = 1e-9
_POINTS = 8
_JACOBIAN_ROWS = 512


class Violation(Exception):
    """A bound, radius or ball that an input refutes."""


@dataclass
class Found:
    """What the adversary came near to: largest shares of what is claimed."""

    bound: float = 0.0
    radius: float = 0.0
    ball: float = 0.0
    certified: int = 0


def points(random, size: int, examples: int = _POINTS) -> np.ndarray:
    """Inputs of several sizes; some on integers, halves and the neighbours of both."""
    rows = random.standard_normal((examples, size)) * random.choice([0.3, 1.0, 3.0], (examples, 1))
    rows[1::4] = np.round(2 * rows[1::4]) / random.choice([1.0, 2.0])
    rows[2::4] = np.nextafter(np.round(rows[2::4]).astype("float32"), np.float32(9.0))
    # No numbers that backends take for 0: certificates assume that nothing underflows.
    rows[np.abs(rows) < np.finfo("float32").tiny] = 0.0
    rows[3::8] += 2.0**-11 * random.integers(-3, 4, rows[3::8].shape)
    return rows.astype("float32").astype("float64")


def inside_box(bound, rows):
    """The points of the box that a bound is about nearest to some points."""
    if bound.domain is None:
        return rows
    low, high = (float(end) for end in (bound.domain.low, bound.domain.high))
    return np.clip(rows, low, high)


def attack_bound(twin: Function, bound, random, found: Found):
    """Jacobians, and pairs across kinks and casts, of the twin in float64.

    Returns:
        The points, the values there and the Jacobians.

    Raises:
        Violation: if a ratio is above the bound.
    """
    size = sum(twin.sizes)
    rows = inside_box(bound, points(random, size))
    values = twin.eager(rows)
    outputs = values.shape[1]
    few = rows[: max(1, _JACOBIAN_ROWS // max(outputs, 1))]
    jacobians = twin.derivatives(few, outputs)
    if not (np.isfinite(values).all() and np.isfinite(jacobians).all()):
        return rows, values, jacobians
    _, norms, directions = np.linalg.svd(jacobians, full_matrices=False)
    worst = float(norms[:, 0].max())
    limit, settles = bound.value, not stops_by_rule(twin.model)
    noise = _noise(bound, rows)
    allowed = limit * (1 + _RELATIVE) + 1e-9 * float(noise.max())
    if worst > allowed and settles:
        # On a kink, where entries that are sorted tie for instance, automatic differentiation may
        # return what is the derivative on no side. Next to it there is one.
        moves = random.uniform(1e-7, 1e-5, (8, *few.shape)) * random.choice([-1, 1], few.shape)
        sides = [few + sign * move for move in moves for sign in (1, -1)]
        sides = [inside_box(bound, side) for side in sides]
        norms = [np.linalg.norm(twin.derivatives(side, outputs), 2, axis=(1, 2)) for side in sides]
        worst = float(np.max(norms))
        if worst > allowed:
            raise Violation(f"Jacobian of norm {worst:.9g} above the bound {limit:.9g}")
    starts, ends = _pairs(random, rows, few, directions[:, 0])
    starts, ends = inside_box(bound, starts), inside_box(bound, ends)
    moved = np.linalg.norm(ends - starts, axis=1)
    both = twin.eager(np.concatenate([starts, ends]))
    change = np.linalg.norm(both[len(starts) :] - both[: len(starts)], axis=1)
    allowed = limit * moved * (1 + _RELATIVE) + _noise(bound, starts)
    if not settles:
        allowed += 2 * _stopping_error(twin, starts, ends)
    far = moved > 1e-6
    if limit > 0 and far.any() and settles:
        share = float(np.max(change[far] / (limit * moved[far])))
        found.bound = max(found.bound, worst / limit, share)
    bad = ~(change <= allowed)
    if bad.any():
        worst = int(np.argmax(change / allowed))
        raise Violation(
            f"outputs {change[worst]:.9g} apart at inputs {moved[worst]:.9g} apart, "
            f"bound {limit:.9g}: from {starts[worst].tolist()} to {ends[worst].tolist()}"
        )
    return rows, values, jacobians


def stops_by_rule(model) -> bool:
    """Whether an iteration in a model ends where its steps are short.

    Its bound is that of the limit, which the map computed comes near to; the error is stated.
    """
    layers = model._flatten_layers(include_self=False)
    return any(isinstance(la, PlugAndPlay) and la.tolerance is not None for la in layers)


def _stopping_error(twin, *ends):
    """How far what the twin computes is from what its bound is of, at the farther of the ends.

    Infinite where a user's operator does not say how it rounds: then nothing is claimed of that.
    """
    bound = lipzoo.lipschitz_bound(twin.model).output.bound
    if bound.rounding_slope is None:
        return np.inf
    size = np.max([np.linalg.norm(rows, axis=1) for rows in ends], axis=0)
    return bound.rounding_offset + bound.rounding_slope * size


def _noise(bound, rows):
    """What float64 arithmetic may add to a difference of outputs."""
    output = bound.output.bound
    sizes = np.linalg.norm(rows, axis=1)
    scale = output.offset + output.value * sizes
    if output.rounding_slope is not None:
        scale = scale + (output.rounding_slope * sizes + output.rounding_offset) * 2.0**24
    return 1e-12 * (1.0 + np.where(np.isfinite(scale), scale, 1e12))


def _pairs(random, rows, few, directions):
    size = rows.shape[1]
    starts, ends = [], []
    for step in (1e-3, 0.3):
        starts.append(few)
        ends.append(few + step * directions)
    axis = np.eye(size)[random.integers(size, size=len(rows))]
    for grid in (1.0, 0.5, 2.0**-10):
        near = np.round(rows / grid) * grid
        starts.append(near - 1e-7 * axis)
        ends.append(near + 1e-7 * axis)
    starts.append(rows)
    ends.append(rows[random.permutation(len(rows))] + 1e-3 * axis)
    return np.concatenate(starts), np.concatenate(ends)


def attack_balls(model: Function, rows, jacobians, random, found: Found, predict: bool):
    """Measurements near the given ones whose reconstructions leave their ball.

    Raises:
        Violation: if one does.
    """
    examples = len(jacobians)
    rows = rows[:examples]
    noise = random.choice([0.0, 1e-6, 1e-2, 1.0], examples)
    policies = {layer.dtype_policy.name for layer in model.model._flatten_layers()}
    if policies & {"float16", "mixed_float16"}:
        # Such a small number underflows in half precision, which the statement excludes.
        noise[noise == 1e-6] = 1e-2
    certificate = certify_reconstruction(
        model.model, model.structured(model.arrays(rows)), noise, verbose=0
    )
    centres = certificate.reconstruction.astype("float64").reshape(examples, -1)
    _, _, right = np.linalg.svd(jacobians, full_matrices=False)
    steps = [right[:, 0], -right[:, 0], _unit(random.standard_normal(rows.shape))]
    steps.append(np.eye(rows.shape[1])[random.integers(rows.shape[1], size=examples)])
    grid = np.round(rows) - rows
    steps.append(_unit(grid))
    tries = np.concatenate([rows[None], rows + noise[:, None] * np.stack(steps)])
    inside = np.linalg.norm(tries - rows, axis=2) <= noise
    _check_balls(model.eager, "a call", tries, inside, centres, certificate.radius, found)
    if predict:
        run = model.predicted
        _check_balls(run, "predict", tries, inside, centres, certificate.radius, found)


def _check_balls(run, what, tries, inside, centres, radius, found):
    values = run(tries.reshape(-1, tries.shape[2])).reshape(*tries.shape[:2], -1)
    distance = np.linalg.norm(values - centres, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(inside, distance / radius, 0.0)
    share = np.where(distance == 0, 0.0, share)
    found.ball = max(found.ball, float(share.max()))
    if not share.max() <= 1 + 1e-12:
        which, example = np.unravel_index(np.argmax(share), share.shape)
        raise Violation(
            f"{what} leaves the ball of radius {radius[example]:.9g} by reaching "
            f"{distance[which, example]:.9g}: from {tries[0, example].tolist()} to "
            f"{tries[which, example].tolist()}"
        )


def attack_radii(model, twin, rows, random, found, predict, settings):
    """Inputs within a certified radius that are classified otherwise.

    Raises:
        Violation: if there is one.
    """
    rows = _with_boundary(twin, rows, random)
    if (box := settings.get("domain")) is not None:
        rows = np.clip(rows, *box)
    x = model.structured(model.arrays(rows))
    certificate = lipzoo.certify(model.model, x, verbose=0, **settings)
    radius, prediction = certificate.radius, certificate.prediction
    found.certified += int(np.sum(radius > 0))
    tries = _tries(twin, rows, np.where(np.isfinite(radius), radius, 10.0), prediction, random)
    tries = inside_box(certificate.bound, tries)
    distance = np.linalg.norm(tries - rows, axis=2)
    # The centre itself is to be classified as the certificate says, where it claims anything.
    inside = (distance < radius) & (radius > 0)
    layers = model.model._flatten_layers(include_self=False)
    if any(getattr(layer, "compute_dtype", None) == "float16" for layer in layers):
        # What overflows, certificates assume away.
        inside &= np.linalg.norm(tries, axis=2) < _LARGEST_IN_FLOAT16
    runs = [("a call", model.eager)] + [("predict", model.predicted)] * predict
    for what, run in runs:
        logits = run(tries.reshape(-1, tries.shape[2]))
        classes = _classes(logits).reshape(tries.shape[:2])
        bad = inside & (classes != prediction)
        if bad.any():
            which, example = np.argwhere(bad)[0]
            raise Violation(
                f"{what} classifies as {classes[which, example]} instead of {prediction[example]} "
                f"at distance {distance[which, example]:.9g} inside the radius "
                f"{radius[example]:.9g}: from {rows[example].tolist()} to "
                f"{tries[which, example].tolist()}"
            )
    alive = classes != prediction
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(alive & (radius > 0), radius / distance, 0.0)
    found.radius = max(found.radius, float(np.max(share, initial=0.0)))


def _classes(logits):
    return (logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(axis=1)


def _margins(logits, jacobians, prediction):
    """Smallest margin of each example and its gradient."""
    examples = np.arange(len(logits))
    if logits.shape[1] == 1:
        sign = np.where(prediction == 1, 1.0, -1.0)
        return sign * logits[:, 0], sign[:, None] * jacobians[:, 0]
    rest = logits.copy()
    rest[examples, prediction] = -np.inf
    rival = rest.argmax(axis=1)
    margin = logits[examples, prediction] - logits[examples, rival]
    return margin, jacobians[examples, prediction] - jacobians[examples, rival]


def _with_boundary(twin, rows, random):
    """The points, and points that Newton's method brings close to a change of the prediction."""
    near = rows.copy()
    for _ in range(2):
        logits = twin.eager(near)
        margin, gradient = _margins(
            logits, twin.derivatives(near, logits.shape[1]), _classes(logits)
        )
        size = np.sum(gradient**2, axis=1)
        step = np.where(size > 0, margin / np.where(size > 0, size, 1.0), 0.0)
        near = near - np.clip(step, -1e3, 1e3)[:, None] * gradient
    if not np.isfinite(near).all():
        return rows
    away = random.choice([1e-7, 1e-6, 1e-5, 1e-4, 1e-3], (len(near), 1))
    near = near + away * _unit(gradient)
    return np.concatenate([rows, near.astype("float32").astype("float64")])


def _tries(twin, rows, radius, prediction, random):
    logits = twin.eager(rows)
    _, gradient = _margins(logits, twin.derivatives(rows, logits.shape[1]), prediction)
    towards = -_unit(gradient)
    axis = np.eye(rows.shape[1])[random.integers(rows.shape[1], size=len(rows))]
    directions = [towards, _unit(random.standard_normal(rows.shape)), axis, -axis, -np.sign(axis)]
    directions[-1] = _unit(np.sign(gradient) * -1.0)
    tries = [rows, rows + 0.5 * radius[:, None] * towards]
    tries += [rows + (1 - 1e-6) * radius[:, None] * direction for direction in directions]
    # Neighbours of integers, halves and half precision numbers, a little to either side.
    for grid in (1.0, 0.5, 2.0**-10):
        nearest = np.round(rows / grid) * grid
        change = nearest - rows
        for side in (-1e-6, 1e-6):
            only = rows + axis * (np.sum(change * axis, axis=1, keepdims=True) + side)
            tries += [nearest + side * np.sign(change), only]
    # As far again from where the first step ended, with the gradient there.
    ahead = tries[2]
    there = twin.eager(ahead)
    if np.isfinite(there).all():
        _, gradient = _margins(there, twin.derivatives(ahead, there.shape[1]), prediction)
        curved = _unit(towards - _unit(gradient))
        tries.append(rows + (1 - 1e-6) * radius[:, None] * curved)
    # Beyond the radius: how near the nearest change of the prediction lies.
    tries += [rows + 1.5 * radius[:, None] * towards, rows + 4 * radius[:, None] * towards]
    return np.stack(tries)


def _unit(vectors):
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1.0)
