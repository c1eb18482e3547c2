"""The explicit Euler step of a gradient flow, over any linear operator."""

import math
from fractions import Fraction

import keras

from lipzoo import activations
from lipzoo.layer_bound import LayerBound
from lipzoo.layers._constrained import positive_number, spectral_constraint
from lipzoo.layers._step_rounding import OperatorFacts, flow_drift, flow_rounding
from lipzoo.rounding import add_up, mul_up

_MOST_SUBSTEPS = 1000


class GradientFlow(keras.layers.Layer):
    """Base of the gradient-flow layers: n explicit Euler steps of `x' = -Aᵀσ(Ax + b)`.

    The right-hand side is the negative gradient of `V(x) = Σ γ(Ax + b)`, `γ' = σ`. With slopes of
    σ in [0, β], V is convex and β‖A‖²-smooth, and one step

        ψ(x) = x - h Aᵀσ(Ax + b)

    has the Lipschitz constant at most `max(1, hβ‖A‖² - 1)` in the Euclidean norm (Baillon-Haddad;
    arXiv 2510.22299): 1 for `h <= 2 / (β‖A‖²)`. The layer takes the smallest number of equal steps
    n for which that holds with the norm that its constraint enforces. n is fixed when the layer is
    created: nothing depends on the weights at run time.

    Subclasses provide the operator, a pair of functions for inputs of a given shape (`_operator`),
    and what is known about it (`_operator_facts`).
    """

    def __init__(
        self,
        time=None,
        activation="relu",
        gain=1.0,
        use_bias=True,
        kernel_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_constraint=None,
        strides=1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.activation = activations.get_monotone(activation)
        self.gain = positive_number(gain, "gain")
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_constraint = spectral_constraint(kernel_constraint, strides)
        bound = Fraction(self.kernel_constraint.bound)
        longest = 2 / (Fraction(self.activation.upper) * bound * bound)
        self.time = float(longest) if time is None else positive_number(time, "time")
        self.substeps = 1 if time is None else max(1, math.ceil(Fraction(self.time) / longest))
        if self.substeps > _MOST_SUBSTEPS:
            raise ValueError(
                f"time and the constraint's bound must need at most {_MOST_SUBSTEPS} steps of "
                f"2 / (β bound²) = {float(longest):.3g}. "
                f"Received: time={time}, bound={float(bound)}"
            )
        self.step_size = self.time / self.substeps
        self._default_time = time is None

    def call(self, inputs):
        forward, adjoint = self._operator(inputs.shape)
        for _ in range(self.substeps):
            preactivation = forward(inputs)
            if self.use_bias:
                preactivation = preactivation + self.bias
            gradient = adjoint(self.activation(preactivation, self.gain))
            inputs = inputs - self.step_size * gradient
        return inputs

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "time": None if self._default_time else self.time,
            "activation": self.activation.name,
            "gain": self.gain,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the proven bound `max(1, hβ‖A‖² - 1)ⁿ` for the weights as they are now.

        Args:
            input_shape: shape of the layer's input, batch axis first.

        Returns:
            A `LayerBound`; ‖A‖ is bounded in float64 as the operator that it is on `input_shape`.
        """
        facts = self._operator_facts(tuple(input_shape))
        smoothness = mul_up(self.activation.upper, mul_up(facts.norm, facts.norm))
        step = max(1.0, mul_up(self.step_size, smoothness) - 1.0)
        value, offset = 1.0, 0.0
        drift = flow_drift(facts, self.activation, self.gain, self.step_size)
        for _ in range(self.substeps):
            value = mul_up(value, step)
            offset = add_up(mul_up(step, offset), drift)
        slope, error = flow_rounding(
            facts,
            self.activation,
            self.gain,
            self.step_size,
            self.substeps,
            step,
            self.compute_dtype,
        )
        steps = "step" if self.substeps == 1 else "steps"
        return LayerBound(
            value=value,
            derivation=f"{self.substeps} Euler {steps}, ‖A‖ <= {facts.norm:.6f}, "
            f"{facts.derivation}",
            offset=offset,
            rounding_slope=slope,
            rounding_offset=error,
        )

    def _operator_facts(self, input_shape) -> OperatorFacts:
        raise NotImplementedError

    def _operator(self, input_shape):
        raise NotImplementedError
