"""A gradient step towards the measurement."""

import math
import numbers
from fractions import Fraction
from typing import Any, cast

import keras
import numpy as np

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.inverse.data_step_bound import data_step_bound
from lipzoo.inverse.layers._with_operator import OperatorLayer
from lipzoo.rounding import add_up, hypot_up, inflated, mul_up, unit_roundoff
from lipzoo.validation import positive_number


@keras.saving.register_keras_serializable(package="lipzoo")
class DataStep(OperatorLayer):
    """One gradient step on the misfit, `x ↦ x - τAᵀ(Ax - y)`, in the first channels of a state.

    Inputs: a pair of a state `(batch, *spatial, channels)`, whose first channels are the image x
    and whose others pass unchanged, and a measurement y, `(batch, *operator.output_shape)`.
    Output: the next state.

    Guarantee: for `0 < τ < 2/‖A‖²` the step is non-expansive in the state, and what a perturbation
    of y adds to it is bounded by `lipzoo.inverse.data_step_bound.data_step_bound`, below the
    triangle inequality's `τ‖A‖`.

    Args:
        operator: the forward operator A, a `lipzoo.inverse.LinearOperator`.
        step_size: τ; None for `1/‖A‖²`, with the proven bound for ‖A‖.
        **kwargs: Keras' `name`, `dtype`.

    Raises:
        ValueError: if τ is outside of (0, 2/‖A‖²), or the inputs do not fit the operator.

    Reference: arXiv 2510.22299.

    Example:

    >>> from lipzoo.inverse import Matrix
    >>> step = DataStep(Matrix([[1.0]]), step_size=0.5)
    >>> float(step([keras.ops.zeros((1, 1)), keras.ops.ones((1, 1))])[0, 0])
    0.5
    """

    def __init__(self, operator, step_size=None, **kwargs):
        super().__init__(operator, **kwargs)
        self.step_size = check_step_size(self._products, step_size)
        self._default_step = step_size is None

    def build(self, input_shape):
        self._check_state(input_shape)

    def call(self, inputs):
        return self._on_image(inputs, self._step)

    def _step(self, image, data):
        residual = self._products.apply(image) - data
        return image - self.step_size * self._products.adjoint(residual)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        step_size = None if self._default_step else self.step_size
        return {**super().get_config(), "step_size": step_size}

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound of the map of both inputs together, `‖[I - τAᵀA, τAᵀ]‖`."""
        identity = LayerBound.exact(1.0, "input")
        tau, norm = self.step_size, self._products.norm_bound
        # Convex in the squared singular value, hence largest at an end: 1 at 0.
        at_norm = mul_up(1.0, abs(1 - Fraction(tau) * Fraction(norm) ** 2))
        value = max(1.0, hypot_up(at_norm, mul_up(tau, norm)))
        joint = self.bound_from(input_shape, [identity, identity])
        return LayerBound(
            value,
            f"τ = {tau:.4g}, ‖A‖ <= {norm:.6f}",
            0.0,
            joint.rounding_slope,
            joint.rounding_offset,
        )

    def bound_from(self, input_shape, inputs) -> LayerBound:
        """Returns the bound of the next state from those of state and measurement.

        Args:
            input_shape: shapes of state and measurement.
            inputs: their `LayerBound`s, with respect to the same vector.

        Raises:
            ValueError: if the step size was set to no positive number.
        """
        self._trust_operator()
        positive_number(self.step_size, "step_size")
        state, data = inputs
        norm = self._products.norm_bound
        # Lifted channels pass unchanged: on them the step does not contract, whatever A is.
        lifted = input_shape[0][-1] != self.operator.input_shape[-1]
        smallest = 0.0 if lifted else self._products.smallest_singular_value_bound
        value = data_step_bound(state.value, data.value, self.step_size, norm, smallest)
        offset = data_step_bound(state.offset, data.offset, self.step_size, norm, smallest)
        slope, constant = self._rounding(state, data)
        return LayerBound(value, "step towards the data", offset, slope, constant)

    def _rounding(self, state, data):
        """Slope and offset of the rounding error of the next state; a pair of None if unknown."""
        known = self._products.rounding(self.compute_dtype)
        if known is None or None in (state.rounding_slope, data.rounding_slope):
            return None, None
        unit, norm, tau = (
            unit_roundoff(self.compute_dtype),
            self._products.norm_bound,
            self.step_size,
        )
        error, x = _affine(state)
        data_error, y = _affine(data)
        product = norm * x
        residual_error = known[0] * x + unit * (product + known[0] * x + y)
        residual = product + y + residual_error
        gradient_error = norm * residual_error + known[1] * residual
        gradient = norm * (product + y) + gradient_error
        # One rounding of τ to the type, one of the product, one of the difference.
        local = tau * (gradient_error + 2 * unit * (1 + unit) * gradient)
        local = local + unit * (x + tau * (1 + 3 * unit) * gradient)
        total = _contraction(tau, norm) * error + tau * norm * data_error + local
        # The longest way, from a state's size through both products, has 18 roundings.
        constant, slope = inflated(total, operations=20)
        return float(slope), float(constant)


def check_step_size(operator, step_size, slope: float = 1.0) -> float:
    """Returns τ if it lies in (0, 2/(β‖A‖²)), β the largest slope; the interval's middle for None.

    Raises:
        ValueError: otherwise.
    """
    curvature = Fraction(slope) * Fraction(operator.norm_bound) ** 2
    if step_size is None:
        return float(1 / curvature)
    valid = isinstance(step_size, numbers.Real) and not isinstance(step_size, bool)
    if not (
        valid and math.isfinite(step_size) and 0 < Fraction(cast(Any, step_size)) < 2 / curvature
    ):
        bound = "2/‖A‖²" if slope == 1 else "2/(β‖A‖²)"
        raise ValueError(
            f"step_size must lie in (0, {bound}) = (0, {float(2 / curvature):.6g}). "
            f"Received: step_size={step_size!r}"
        )
    return float(step_size)


def _affine(bound):
    """Error and size of the computed tensor, as `[offset, slope]` in the norm of the input."""
    error = np.array([bound.rounding_offset, bound.rounding_slope])
    return error, np.array([bound.offset, bound.value]) + error


def _contraction(tau, norm):
    return max(1.0, add_up(mul_up(tau, norm, norm)) - 1.0)
