"""The explicit Euler step of a gradient flow, over any linear operator."""

import math
from fractions import Fraction

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._constrained import add_operator
from lipzoo.layers._gains import add_gains, checked_gains
from lipzoo.layers._potential import PotentialGradient
from lipzoo.layers._sizes import with_built_sizes
from lipzoo.layers._step_rounding import Step, affine_map, layer_bound_of_steps
from lipzoo.rounding import mul_up
from lipzoo.validation import positive_number

_MOST_SUBSTEPS = 1000


class GradientFlow(PotentialGradient):
    """Base of the gradient-flow layers: n explicit Euler steps of `x' = -Aᵀσ(Ax + b)`.

    The right-hand side is the negative gradient of `V(x) = Σ γ(Ax + b)`, `γ' = σ`. With slopes of
    σ in [0, β], V is convex and β‖A‖²-smooth, and one step

        ψ(x) = x - h Aᵀσ(Ax + b)

    has the Lipschitz constant at most `max(1, hβ‖A‖² - 1)` in the Euclidean norm (Baillon-Haddad;
    arXiv 2510.22299): 1 for `h <= 2 / (β‖A‖²)`. The layer takes the smallest number of equal steps
    n for which that holds with the norm that its constraint enforces. n is fixed when the layer is
    created: nothing depends on the weights at run time.

    With a gain c the layer applies `σ_c(z) = σ(cz)/c`. Its slope at z is the slope of σ at cz, so
    the bound is the same for every `c ≠ 0`, and `train_gain` makes c a weight, one per neuron.
    """

    def __init__(self, time=None, train_gain=False, **kwargs):
        super().__init__(**kwargs)
        self.train_gain = bool(train_gain)
        if self.train_gain and self.activation.homogeneous:
            raise ValueError(
                "train_gain=True needs an activation that a gain changes; σ(cz)/c = σ(z) for "
                f"{self.activation.name!r}. Received: train_gain={train_gain!r}"
            )
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

    def build(self, input_shape):
        self.kernel, self.bias = add_operator(self, input_shape)
        self.gains = add_gains(self, self.kernel.shape[-1]) if self.train_gain else None
        self.input_spec = self._accepted(axes={-1: input_shape[-1]})

    def call(self, inputs):
        inputs = with_built_sizes(self, inputs)
        operator = self._operator(inputs.shape, self.kernel)
        for _ in range(self.substeps):
            inputs = inputs - self.step_size * self._gradient(operator, self.bias, inputs)
        return inputs

    def get_config(self):
        time = None if self._default_time else self.time
        return {**super().get_config(), "time": time, "train_gain": self.train_gain}

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the proven bound `max(1, hβ‖A‖² - 1)ⁿ` for the weights as they are now.

        Args:
            input_shape: shape of the layer's input, batch axis first.

        Returns:
            A `LayerBound`; ‖A‖ is bounded in float64 as the operator that it is on `input_shape`.

        Raises:
            ValueError: if a trained gain was set to zero or is not finite, or if an attribute was
                set to what the constructor refuses: an activation that decreases, say.
        """
        self._check_attributes()
        affine = affine_map(self, tuple(input_shape), self.kernel, self.bias)
        norm = affine.operator.norm_bound
        smoothness = mul_up(self.activation.upper, mul_up(norm, norm))
        lipschitz = max(1.0, mul_up(self.step_size, smoothness) - 1.0)
        steps = [Step(affine, self.step_size, lipschitz)] * self.substeps
        plural = "step" if self.substeps == 1 else "steps"
        derivation = (
            f"{self.substeps} Euler {plural}, ‖A‖ <= {norm:.6f}, {affine.operator.derivation}"
        )
        gain = self.gain if self.gains is None else checked_gains(self)
        return layer_bound_of_steps(steps, self.activation, gain, self.compute_dtype, derivation)

    def _present_gain(self):
        return self.gain if self.gains is None else self.gains
