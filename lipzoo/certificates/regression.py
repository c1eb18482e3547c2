"""Certifies numbers that a model predicts against perturbations of its input."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from lipzoo.bounds import LipschitzBound
from lipzoo.certificates.forward_pass import evaluate, pair_head
from lipzoo.certificates.inputs import check_inputs, check_radius
from lipzoo.certificates.prediction import check_runs_as_recorded
from lipzoo.certificates.radius import head_error
from lipzoo.certificates.regression_certificate import RegressionCertificate
from lipzoo.certificates.rounding_error import Uncertainty
from lipzoo.certificates.standardization import DEVIATIONS, standardization
from lipzoo.rounding import inflated, norm_up
from lipzoo.validation import integer


def certify_regression(
    model: keras.Model,
    x: Any,
    radius: Any,
    *,
    standardized: bool = False,
    batch_size: int = 256,
    rounding: bool = True,
    method: str = "product",
    verbose: int | str = "auto",
) -> RegressionCertificate:
    """Certified intervals of the numbers that a model predicts.

        |f_j(x') - f_j(x)| <= L_j r + e_j(x) + e_j(r)     for all x' with ||x' - x|| <= r

    with a slope of its own for every output j: `L_j = L ||w_j||` where the model ends in a linear
    layer of columns w_j behind features with the proven bound L, the bound of the model otherwise.
    The bound is derived anew from the weights as they are. For a linear model `L_j` is its norm,
    and no smaller interval holds in exact arithmetic.

    With `rounding=True` the statement is about the network *as it is computed*, at x and at every
    x' of the ball: `e_j(x)` bounds the rounding error at x and `e_j(r)` the one all over the ball,
    under the assumptions of `lipzoo.certify`. The ends are rounded outwards. With `rounding=False`
    it is about the network in exact arithmetic, with the computed prediction taken for the exact
    one. An interval is infinite where nothing is known, as it is for long sums in half precision.

    With `standardized=True` the radius of a model that begins by standardising its input is in
    standard deviations: `||(x' - x) / deviation|| <= r`, an ellipsoid. One feature i of a table
    alone may then move by up to `r deviation_i` in its own units.

    An interval says how far a prediction can move, not how right it is. What a softmax at the end
    rounds is not known: intervals of probabilities are for `rounding=False`.

    Args:
        model: built `keras.Model`, functional or sequential, with one output of shape
            `(batch, outputs)`.
        x: array or tensor of examples; a list or dict of them for a model with several inputs.
        radius: r, the Euclidean norm of the perturbation of an input: one number or one per
            example, finite and at least 0.
        standardized: whether the radius is in standard deviations instead of the units of x.
        batch_size: batch size of the prediction, a positive integer.
        rounding: whether to account for rounding errors.
        method: of the bound, see `lipschitz_bound`. With `"semidefinite"` every output has the
            slope along its own column.
        verbose: as in `keras.Model.predict`.

    Returns:
        A `RegressionCertificate`.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: if the model has several outputs or one that is no vector of numbers, the radius
            is negative or not finite, the rounding error of a layer is not known, the backend does
            not compute in the model's arithmetic, the data do not fit the model, batch_size is not
            a positive integer, the method is unknown, or standard deviations are asked of a model
            that does not begin by standardising.
        TypeError: if x is not an array of numbers or the model none of Keras.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.set_weights([np.array([[3.0], [4.0]])])
        >>> print(certify_regression(model, np.ones((1, 2)), 0.5, rounding=False, verbose=0))
        1 prediction, in exact arithmetic, while the input moves by at most 0.5 (l2):
        output 0 moves by at most 2.501
    """
    _check_model(model)
    batch_size = integer(batch_size, "batch_size")
    arrays = check_inputs(model, x)
    radii = check_radius(radius, "radius", len(arrays[0]))
    scale = standardization(model, method) if standardized else None
    found = evaluate(
        model,
        arrays,
        isinstance(x, Mapping),
        batch_size,
        rounding,
        verbose,
        scale=scale,
        method=method,
    )
    prediction = found.logits.astype("float64")
    slopes = _slopes(found.bound, prediction.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        movement = slopes * radii[:, None]
        if rounding:
            for uncertainty in (found.at_x(), found.in_ball(radii, found)):
                movement = movement + _output_error(found.bound, uncertainty)
        # A product for the slope, and two sums.
        movement = inflated(movement, operations=3)
    # Infinity times 0: nothing is known.
    movement = np.where(np.isnan(movement), np.inf, movement)
    config = getattr(model, "lipzoo_config", None)
    units = "" if config is None else str(config.preprocessing["scale"])
    return RegressionCertificate(
        found.logits,
        np.nextafter(prediction - movement, -np.inf),
        np.nextafter(prediction + movement, np.inf),
        radii,
        slopes,
        found.bound,
        rounding,
        input_size=sum(math.prod(array.shape[1:]) for array in arrays),
        feature_names=() if config is None else tuple(config.feature_names),
        units=units if scale is None else DEVIATIONS,
        deviation=None if scale is None else scale.deviation,
    )


def _slopes(bound: LipschitzBound, outputs: int) -> np.ndarray:
    """Lipschitz bounds of every output alone."""
    jointly = np.full(outputs, bound.value)
    if bound.head is None:
        return jointly
    return np.minimum(bound.head.movement(bound.head.kernel), jointly)


def _output_error(bound: LipschitzBound, uncertainty: Uncertainty) -> np.ndarray:
    """What rounding can do to every output alone; shape `(examples, outputs)` or a broadcast."""
    head = pair_head(bound)
    if head is None:
        return uncertainty.error[:, None]
    norms = norm_up(head.kernel, axis=0)
    error = head_error(head, norms, norms, np.abs(head.bias), uncertainty)
    return inflated(error, operations=4)


def _check_model(model) -> None:
    """Refuses what does not return one vector of numbers per example.

    Raises:
        TypeError: for anything but a Keras model.
        ValueError: for several outputs, one of another rank, or a model that does not compute what
            its layers say.
    """
    check_runs_as_recorded(model)
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise ValueError(
            f"Expected a model with one output of shape (batch, outputs). Received: model "
            f"'{model.name}' with outputs of shapes {shapes}"
        )
