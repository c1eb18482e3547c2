"""Regularisation parameters chosen on measurements and the images behind them, or the noise."""

from dataclasses import dataclass

import keras
import numpy as np

from lipzoo.inverse.operators.base import MAX_ENTRIES, LinearOperator
from lipzoo.inverse.tikhonov_reconstruction import check_batch, check_matrix_size, tikhonov
from lipzoo.inverse.total_variation.reconstruction import total_variation
from lipzoo.validation import check_bounds, positive_number

# An end of the grid is extended while its error is lower than all others by this share.
_WORTHWHILE = 1e-3
# From ‖A‖² down, by singular values and by an iteration, whose steps become too many.
_DECADES, _DECADES_OF_ITERATION = 15, 6


@dataclass(frozen=True)
class Selection:
    """The best regularisation parameter found, and what was tried.

    Attributes:
        value: the parameter with the lowest error.
        mean_squared_error: its error, the mean over all values of all images, in their units
            squared; without images, that of `A x̂` and y, over all values of all measurements.
        tries: every parameter tried with its error, ascending.
    """

    value: float
    mean_squared_error: float
    tries: tuple[tuple[float, float], ...]


def choose_alpha(
    operator: LinearOperator, y, x=None, alphas=None, *, noise_norm: float | None = None
) -> Selection:
    """Chooses α of Tikhonov's reconstruction by its error on validation pairs, or by the noise.

        α = argmin mean (x̂(y) - x)²,   x̂(y) = (AᵀA + αI)⁻¹Aᵀy

    With `A = U diag(s) Vᵀ` the error for any α is `Σ (s/(s²+α) Uᵀy - Vᵀx)²` and what of x lies
    outside the rows of A, so one decomposition serves all of them.

    Without x, by Morozov's discrepancy principle: the largest α for which the root mean square of
    `‖A x̂(y) - y‖` over the measurements is at most `noise_norm`. A larger one would leave some of
    the signal in the residual, a smaller one fits the noise. It is sought from 1e-14 to 1e6 times
    `‖A‖²`; from 1e-5 on, where the iteration ends, for an operator of more than 2²⁵ entries.

    Args:
        operator: A, a `LinearOperator`.
        y: measurements, of shape `(examples, *operator.output_shape)`.
        x: the true images, of shape `(examples, *operator.input_shape)`; None where there are none.
        alphas: the values to try, and no others. None tries four a decade from `1e-8 ‖A‖²` to
            `10 ‖A‖²`, goes on (down to 1e-14, up to 1e6) while the best one lies at an end and
            beats the others by a thousandth, and then tries twenty more between the best one's
            neighbours. For an operator of more than 2²⁵ entries, two a decade from `1e-4 ‖A‖²` to
            `‖A‖²` and four more, each by an iteration.
        noise_norm: root mean square of the norm of a measurement's noise, `σ√m` for m values with
            noise of standard deviation σ; instead of x. (What `lipzoo.inverse.noise_norm` returns
            is exceeded rarely, and is for certificates.) The value is found to a relative accuracy
            of a hundredth.

    Returns:
        A `Selection`; its value is an estimate from these measurements.

    Raises:
        TypeError: if the operator is no `LinearOperator`.
        ValueError: if y, x or a value does not fit, not just one of x and `noise_norm` is given,
            no α leaves a residual of `noise_norm`, or the measurements have no larger norm than it.

    Reference: Engl, Hanke and Neubauer, *Regularization of Inverse Problems*, 1996,
    ISBN 978-0-7923-4157-4, section 4.3.

    Example: the identity, noise as large as the signal.

    >>> from lipzoo.inverse.operators import Matrix
    >>> y, x = [[2.0], [0.0]], [[1.0], [0.0]]
    >>> choose_alpha(Matrix([[1.0]]), y, x, alphas=[0.1, 1.0, 10.0]).value
    1.0
    >>> round(choose_alpha(Matrix([[1.0]]), [[2.0]], noise_norm=1.0).value, 1)
    1.0
    """
    if (x is None) == (noise_norm is None):
        raise ValueError(
            "Expected the true images x, or noise_norm where there are none. "
            f"Received: {'neither' if x is None else 'both'}"
        )
    if not isinstance(operator, LinearOperator):
        raise TypeError(
            f"Expected a lipzoo.inverse.LinearOperator. Received: operator={operator!r}"
        )
    if noise_norm is not None:
        return _by_discrepancy(operator, y, positive_number(noise_norm, "noise_norm"), alphas)
    y, x = _checked_pairs(operator, y, x)
    large = operator.inputs * operator.outputs > MAX_ENTRIES
    prepare = _errors_by_iteration if large else _errors_by_values
    errors, largest = prepare(operator, y, x)
    if alphas is not None:
        return _best(_tried(errors, _checked_values(alphas, "alphas")))
    scale = largest**2 or 1.0
    if large:
        return _search(errors, scale, decades=(-4, 0), limits=(-5, 2), density=2, refined=4)
    return _search(errors, scale, decades=(-8, 1), limits=(-14, 6), density=4, refined=20)


def _errors_by_values(operator, y, x):
    left, values, right = np.linalg.svd(operator.matrix(), full_matrices=False)
    measured, truth = y @ left, x @ right.T
    outside = max(np.sum(x**2) - np.sum(truth**2), 0.0)

    def errors(candidates):
        filters = [values / (values**2 + alpha) for alpha in candidates]
        return [(np.sum((f * measured - truth) ** 2) + outside) / x.size for f in filters]

    return errors, float(values[0])


def _errors_by_iteration(operator, y, x):
    y = y.reshape(-1, *operator.output_shape)

    def errors(candidates):
        images = (tikhonov(operator, y, alpha) for alpha in candidates)
        return [np.mean((image.reshape(x.shape) - x) ** 2) for image in images]

    return errors, float(operator.norm_bound)


def _by_discrepancy(operator, y, noise_norm, alphas):
    y = check_batch(y, operator.output_shape, "y")
    allowed = noise_norm**2 * len(y) / y.size
    if np.mean(y**2) <= allowed:
        raise ValueError(
            "Expected measurements of a larger norm (root mean square) than that of the noise: "
            "these are within the noise, and an image of zeros fits them. "
            f"Received: noise_norm={noise_norm:g} and a norm of {_norm(np.mean(y**2), y):.4g}"
        )
    scale = float(operator.norm_bound) ** 2 or 1.0
    large = operator.inputs * operator.outputs > MAX_ENTRIES
    residual = (_residual_by_iteration if large else _residual_by_values)(operator, y)
    tries = {}

    def fits(alpha):
        if alpha not in tries:
            tries[alpha] = float(residual(alpha))
        return tries[alpha] <= allowed

    def selected(alpha):
        return Selection(alpha, tries[alpha], tuple(sorted(tries.items())))

    if alphas is not None:
        fitting = [alpha for alpha in _checked_values(alphas, "alphas") if fits(alpha)]
        low = max(fitting, default=None)
    else:
        decades = range(_DECADES_OF_ITERATION if large else _DECADES)
        low, high = next((scale * 0.1**k for k in decades if fits(scale * 0.1**k)), None), None
        if low is not None:
            high = 10.0 * low
            while fits(high) and high < 1e6 * scale:
                low, high = high, 10.0 * high
            while high > 1.01 * low:
                middle = (low * high) ** 0.5
                low, high = (middle, high) if fits(middle) else (low, middle)
    if low is None:
        reason = "the noise is larger, or the operator another"
        if alphas is not None:
            reason = "a smaller alpha may fit"
        elif large:
            reason = "the iteration for an operator of this size ends there, a smaller one may fit"
        raise ValueError(
            f"Expected an alpha that fits the measurements up to noise_norm={noise_norm:g} (root "
            f"mean square). Received: a residual of {_norm(min(tries.values()), y):.4g} "
            f"at least, with alpha={min(tries):.3g}; {reason}"
        )
    return selected(low)


def _norm(mean_square, y):
    return float((mean_square * y[0].size) ** 0.5)


def _residual_by_values(operator, y):
    """Mean square of `A x̂ - y`, whose part along the left singular vectors is `α / (s² + α) y`."""
    y = y.reshape(len(y), -1)
    left, values, _ = np.linalg.svd(operator.matrix(), full_matrices=False)
    measured = y @ left
    outside = max(np.sum(y**2) - np.sum(measured**2), 0.0)
    return lambda alpha: (np.sum((alpha / (values**2 + alpha) * measured) ** 2) + outside) / y.size


def _residual_by_iteration(operator, y):
    def residual(alpha):
        images = keras.ops.convert_to_tensor(tikhonov(operator, y, alpha))
        fitted = keras.ops.convert_to_numpy(operator.products().apply(images))
        return np.mean((fitted.astype("float64") - y) ** 2)

    return residual


def choose_weight(
    operator: LinearOperator, y, x, weights=None, bounds: tuple[float, float] = (0.0, 1.0)
) -> Selection:
    """Chooses λ of the reconstruction by total variation by its error on validation pairs.

        λ = argmin mean (x̂(y) - x)²,   x̂(y) as `total_variation` computes it

    to the tolerance that is the default there.

    Args:
        operator: A, a `LinearOperator` on `(length, channels)` or `(height, width, channels)`.
        y: measurements, of shape `(examples, *operator.output_shape)`.
        x: the true images, of shape `(examples, *operator.input_shape)`.
        weights: the values to try, and no others. None tries two a decade from 1e-3 to 1e-1 of
            `‖A‖ · rms(y)`, goes on (down to 1e-6, up to 1e2) while the best one lies at an end and
            beats the others by a thousandth, and then tries four more between the best one's
            neighbours.
        bounds: smallest and largest value of an image.

    Returns:
        A `Selection`; its value is an estimate from these pairs.

    Warns:
        RuntimeWarning: if an example did not reach the tolerance.

    Raises:
        TypeError: if the operator is no `LinearOperator`.
        ValueError: if y, x or a value does not fit, or the operator is too large.

    Example:

    >>> from lipzoo.inverse.operators import Matrix
    >>> identity = Matrix(np.eye(4), (4, 1), (4, 1))
    >>> x = np.reshape([0.0, 0.0, 1.0, 1.0], (1, 4, 1))
    >>> noise = np.reshape([0.1, -0.1, 0.1, -0.1], (1, 4, 1))
    >>> choose_weight(identity, x + noise, x, weights=[0.01, 0.1, 1.0]).value
    0.1
    """
    check_matrix_size(operator)
    y, x = _checked_pairs(operator, y, x)
    bounds = check_bounds(bounds)

    def errors(candidates):
        # One call for all candidates, since it decomposes the operator first.
        repeated = np.tile(y, (len(candidates), 1)).reshape(-1, *operator.output_shape)
        result = total_variation(operator, repeated, np.repeat(candidates, len(y)), bounds=bounds)
        differences = result.images.reshape(len(candidates), *x.shape) - x
        return np.mean(differences**2, axis=(1, 2)).tolist()

    if weights is not None:
        return _best(_tried(errors, _checked_values(weights, "weights")))
    scale = float(operator.norm_bound * np.sqrt(np.mean(y**2))) or 1.0
    return _search(errors, scale, decades=(-3, -1), limits=(-6, 2), density=2, refined=4)


def _search(errors, scale, decades, limits, density, refined):
    """Tries a logarithmic grid, longer where its end is best, then finer around the best."""
    first, last = (decade * density for decade in decades)
    lowest, highest = (limit * density for limit in limits)

    def grid(start, stop):
        return [scale * 10 ** (step / density) for step in range(start, stop)]

    tries = _tried(errors, grid(first, last + 1))
    while True:
        ordered = sorted(tries)
        falls_below = tries[ordered[0]] < (1 - _WORTHWHILE) * min(tries[v] for v in ordered[1:])
        falls_above = tries[ordered[-1]] < (1 - _WORTHWHILE) * min(tries[v] for v in ordered[:-1])
        if falls_below and first > lowest:
            start = max(first - density, lowest)
            tries |= _tried(errors, grid(start, first))
            first = start
        elif falls_above and last < highest:
            stop = min(last + density, highest)
            tries |= _tried(errors, grid(last + 1, stop + 1))
            last = stop
        else:
            break
    centre = ordered.index(_best(tries).value)
    low, high = ordered[max(centre - 1, 0)], ordered[min(centre + 1, len(ordered) - 1)]
    finer = np.geomspace(low, high, refined + 2)[1:-1]
    return _best(tries | _tried(errors, finer.tolist()))


def _tried(errors, candidates):
    return dict(zip(candidates, map(float, errors(candidates)), strict=True))


def _best(tries):
    value = min(tries, key=tries.get)
    return Selection(value, tries[value], tuple(sorted(tries.items())))


def _checked_pairs(operator, y, x):
    y = check_batch(y, operator.output_shape, "y")
    x = check_batch(x, operator.input_shape, "x")
    if len(x) != len(y):
        raise ValueError(
            "Expected as many images as measurements. "
            f"Received: {len(x)} images and {len(y)} measurements"
        )
    return y.reshape(len(y), -1), x.reshape(len(x), -1)


def _checked_values(values, name):
    candidates = list(values) if isinstance(values, list | tuple | np.ndarray) else []
    try:
        candidates = [positive_number(value, "alpha") for value in candidates]
    except ValueError:
        candidates = []
    if not candidates:
        raise ValueError(
            f"{name} must be a list of positive finite numbers. Received: {name}={values!r}"
        )
    return candidates
