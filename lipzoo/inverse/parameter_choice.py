"""Regularisation parameters chosen on pairs of measurements and the images behind them."""

from dataclasses import dataclass

import numpy as np

from lipzoo.inverse.operators.base import LinearOperator
from lipzoo.inverse.tikhonov_reconstruction import check_batch, check_matrix_size
from lipzoo.inverse.total_variation.reconstruction import total_variation
from lipzoo.validation import check_bounds, positive_number

# An end of the grid is extended while its error is lower than all others by this share.
_WORTHWHILE = 1e-3


@dataclass(frozen=True)
class Selection:
    """The best regularisation parameter found, and what was tried.

    Attributes:
        value: the parameter with the lowest error.
        mean_squared_error: its error, the mean over all values of all images, in their units
            squared.
        tries: every parameter tried with its error, ascending.
    """

    value: float
    mean_squared_error: float
    tries: tuple[tuple[float, float], ...]


def choose_alpha(operator: LinearOperator, y, x, alphas=None) -> Selection:
    """Chooses α of Tikhonov's reconstruction by its error on validation pairs.

        α = argmin mean (x̂(y) - x)²,   x̂(y) = (AᵀA + αI)⁻¹Aᵀy

    With `A = U diag(s) Vᵀ` the error for any α is `Σ (s/(s²+α) Uᵀy - Vᵀx)²` and what of x lies
    outside the rows of A, so one decomposition serves all of them.

    Args:
        operator: A, a `LinearOperator`.
        y: measurements, of shape `(examples, *operator.output_shape)`.
        x: the true images, of shape `(examples, *operator.input_shape)`.
        alphas: the values to try, and no others. None tries four a decade from `1e-8 ‖A‖²` to
            `10 ‖A‖²`, goes on (down to 1e-14, up to 1e6) while the best one lies at an end and
            beats the others by a thousandth, and then tries twenty more between the best one's
            neighbours.

    Returns:
        A `Selection`; its value is an estimate from these pairs.

    Raises:
        TypeError: if the operator is no `LinearOperator`.
        ValueError: if y, x or a value does not fit, or the operator is too large for a singular
            value decomposition.

    Example: the identity, noise as large as the signal.

    >>> from lipzoo.inverse.operators import Matrix
    >>> y, x = [[2.0], [0.0]], [[1.0], [0.0]]
    >>> choose_alpha(Matrix([[1.0]]), y, x, alphas=[0.1, 1.0, 10.0]).value
    1.0
    """
    check_matrix_size(operator)
    y, x = _checked_pairs(operator, y, x)
    left, values, right = np.linalg.svd(operator.matrix(), full_matrices=False)
    measured, truth = y @ left, x @ right.T
    outside = max(np.sum(x**2) - np.sum(truth**2), 0.0)

    def errors(candidates):
        filters = [values / (values**2 + alpha) for alpha in candidates]
        return [(np.sum((f * measured - truth) ** 2) + outside) / x.size for f in filters]

    if alphas is not None:
        return _best(_tried(errors, _checked_values(alphas, "alphas")))
    scale = float(values[0]) ** 2 or 1.0
    return _search(errors, scale, decades=(-8, 1), limits=(-14, 6), density=4, refined=20)


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
