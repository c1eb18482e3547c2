"""A step towards a measurement whose detector saturates."""

import keras

from lipzoo import activations
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.inverse.layers._with_operator import OperatorLayer
from lipzoo.inverse.layers.data_step import check_step_size
from lipzoo.rounding import add_up, div_up, mul_up, sqrt_up
from lipzoo.validation import positive_number


@keras.saving.register_keras_serializable(package="lipzoo")
class MonotoneDataStep(OperatorLayer):
    """A step `x ↦ x - τAᵀ(σ(Ax) - y)` towards a measurement `y = σ(Ax)`, σ non-decreasing.

    The forward operator is not linear, yet the step is one of gradient descent on the *convex*
    function `Σγ(Ax) - ⟨Ax, y⟩`, γ' = σ, and not on the misfit `‖σ(Ax) - y‖²`, which is not convex.

    Inputs: a pair of a state, whose first channels are the image, and a measurement, as in
    `DataStep`. Output: the next state.

    Guarantee: with slopes of σ in [0, β] and `0 < τ < 2/(β‖A‖²)` the step is non-expansive in the
    state (Baillon-Haddad), and a perturbation of y adds `τ‖A‖` times itself. That is all that
    carries over from the linear case: where σ is flat nothing pulls the state towards the data, so
    the sharper bound of `DataStep`, which adds squares, is false here.

    Args:
        operator: A, a `lipzoo.inverse.LinearOperator`.
        activation: σ, a non-decreasing activation, see `lipzoo.activations.known()`.
        gain: c in `σ(cz)/c`; `"hard_tanh"` with gain c clips at ±1/c.
        step_size: τ; None for `1/(β‖A‖²)`.
        **kwargs: Keras' `name`, `dtype`.

    Raises:
        ValueError: if τ is out of range, or the activation is unknown or decreases somewhere.

    Example:

    >>> from lipzoo.inverse import Matrix
    >>> step = MonotoneDataStep(Matrix([[1.0]]), gain=2.0)
    >>> float(step([keras.ops.ones((1, 1)), keras.ops.full((1, 1), 0.5)])[0, 0])
    1.0
    """

    def __init__(self, operator, activation="hard_tanh", gain=1.0, step_size=None, **kwargs):
        super().__init__(operator, **kwargs)
        self.activation = activations.get_monotone(activation)
        self.gain = positive_number(gain, "gain")
        self._default_step = step_size is None
        self.step_size = check_step_size(self._products, step_size, self.activation.upper)

    def build(self, input_shape):
        self._check_state(input_shape)

    def call(self, inputs):
        return self._on_image(inputs, self._step)

    def _step(self, image, data):
        residual = self.activation(self._products.apply(image), self.gain) - data
        return image - self.step_size * self._products.adjoint(residual)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        return {
            **super().get_config(),
            "activation": self.activation.name,
            "gain": self.gain,
            "step_size": None if self._default_step else self.step_size,
        }

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound of the map of both inputs together."""
        identity = LayerBound.exact(1.0, "input")
        return self.bound_from(input_shape, [identity, identity])

    def bound_from(self, input_shape, inputs) -> LayerBound:
        """Returns the bound of the next state from those of state and measurement.

        Rounding is not analysed: a certificate has to be one in exact arithmetic.
        """
        self._trust_operator()
        activations.get_monotone(self.activation)
        positive_number(self.gain, "gain")
        positive_number(self.step_size, "step_size")
        state, data = inputs
        norm, slope = self._products.norm_bound, self.activation.upper
        step = mul_up(self.step_size, norm)
        contraction = max(1.0, mul_up(self.step_size, slope, norm, norm) - 1.0)
        # ‖σ(0)‖ over all values of a measurement.
        at_zero = div_up(abs(self.activation.at_zero), self.gain)
        at_zero = mul_up(at_zero, sqrt_up(float(self.operator.outputs)))
        return LayerBound(
            add_up(mul_up(contraction, state.value), mul_up(step, data.value)),
            f"monotone step, τ = {self.step_size:.4g}",
            add_up(mul_up(contraction, state.offset), mul_up(step, add_up(data.offset, at_zero))),
        )
