"""Symplectic steps of a Hamiltonian system, over any linear operator."""

import math
import sys

from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._constrained import add_operator
from lipzoo.layers._potential import PotentialGradient
from lipzoo.layers._sizes import with_built_sizes
from lipzoo.layers._step_rounding import Step, affine_map, layer_bound_of_steps
from lipzoo.rounding import add_up, hypot_up, mul_up
from lipzoo.validation import integer, positive_number

METHODS = ("symplectic_euler", "verlet")


def shear_norm(m: float) -> float:
    """Norm of the shear `(q, p) ↦ (q + Mp, p)` with M symmetric and `0 <= M <= m`, rounded upwards.

    The largest singular value of `[[1, m], [0, 1]]`, which is `m/2 + sqrt(1 + m²/4)`; the smallest
    one is its inverse (design: arXiv 2510.22299).

    >>> shear_norm(0.0), shear_norm(1.5)
    (1.0, 2.0)
    """
    return add_up(m / 2, hypot_up(1.0, m / 2))


def is_finite_power(norm: float, count: int) -> bool:
    """Whether the product of so many shears of a norm is a float64 number.

    >>> is_finite_power(1.5, 100), is_finite_power(1.5, 10_000)
    (True, False)
    """
    return norm < math.inf and count * math.log(norm) < math.log(sys.float_info.max)


class Hamiltonian(PotentialGradient):
    """Base of the Hamiltonian layers: n symplectic steps of `q' = Bᵀσ(Bp + b), p' = -Cᵀσ(Cq + c)`.

    The channels are split into halves (q, p), and the equations are Hamilton's for
    `H(q, p) = Σγ(Bp + b) + Σγ(Cq + c)`, `γ' = σ`. One step of symplectic Euler is

        q⁺ = q + h Bᵀσ(Bp + b),   p⁺ = p - h Cᵀσ(Cq⁺ + c)

    and one of Verlet takes half of the first, all of the second and the other half of the first.
    Every half step is a shear with a symmetric matrix, so the Jacobian F is symplectic,
    `FᵀΩF = Ω`: its singular values come in pairs (s, 1/s), and `‖F‖ >= 1` for any weights whatever.
    """

    # Arguments of `call` for every value of which `lipschitz_bound` holds.
    bounded_arguments = ("backwards",)

    def __init__(
        self,
        time=1.0,
        steps=1,
        method="symplectic_euler",
        share_weights=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}. Received: method={method!r}")
        self.time = positive_number(time, "time")
        self.steps = integer(steps, "steps")
        self.method = method
        self.share_weights = bool(share_weights)
        self.step_size = self.time / self.steps
        self._refuse_infinite_bound()

    def build(self, input_shape):
        half = self._half(input_shape)
        count = 1 if self.share_weights else self.steps
        suffixes = [""] if count == 1 else [f"_{i}" for i in range(1, count + 1)]
        # One pair of operators per step: the first acts on p and moves q, the second on q.
        self.operators = [
            tuple(add_operator(self, half, f"_{name}{suffix}") for name in ("p", "q"))
            for suffix in suffixes
        ]
        self.input_spec = self._accepted(axes={-1: input_shape[-1]})

    def call(self, inputs, backwards=False):
        return self._run(with_built_sizes(self, inputs), self._shears(backwards))

    def inverse(self, outputs):
        """Returns the inputs that the layer maps to `outputs`: the same shears, backwards.

        Exact in exact arithmetic, for any weights. In floating point the round trip is off by the
        rounding of both ways, magnified by at most the layer's Lipschitz bound.

        Args:
            outputs: tensor of the shape of the layer's inputs.

        Raises:
            ValueError: if the layer is not built or the shape does not fit.
        """
        if not self.built:
            raise ValueError(f"Expected a built layer. Received: {self.name!r}, which is not built")
        return self(outputs, backwards=True)

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the product of the shears' norms for the weights as they are now.

        A half step with `M = h Bᵀdiag(σ')B` symmetric and `0 <= M <= m = hβ‖B‖²` has the norm
        `m/2 + sqrt(1 + m²/4)` at most. The Jacobian's norm is also at least 1, see
        `jacobian_norm_lower_bound`.

        Args:
            input_shape: shape of the layer's input, batch axis first.

        Returns:
            A `LayerBound`; ‖B‖ and ‖C‖ are bounded in float64.

        Raises:
            ValueError: if an attribute was set to what the constructor refuses.
        """
        self._check_attributes()
        half = self._half(tuple(input_shape))
        maps = [
            tuple(affine_map(self, half, kernel, bias) for kernel, bias in pair)
            for pair in self.operators
        ]
        largest = max(affine.operator.norm_bound for pair in maps for affine in pair)
        shears, how = self._shears(), maps[0][0].operator.derivation
        derivation = f"{len(shears)} shears, norms <= {largest:.6f}, {how}; lower bound 1"
        # Offset and rounding depend on the order; the bound holds for the inverse as well.
        bounds = [
            layer_bound_of_steps(
                [self._step(maps, shear) for shear in order],
                self.activation,
                self.gain,
                self.compute_dtype,
                derivation,
            )
            for order in (shears, shears[::-1])
        ]
        known = [bound.rounding or (math.inf, math.inf) for bound in bounds]
        return LayerBound(
            value=max(bound.value for bound in bounds),
            derivation=derivation,
            offset=max(bound.offset for bound in bounds),
            rounding_slope=max(slope for slope, _ in known),
            rounding_offset=max(offset for _, offset in known),
        )

    def jacobian_norm_lower_bound(self) -> float:
        """Returns 1: no Jacobian of the layer has a smaller norm, for any weights and any input.

        The Jacobian is symplectic, `FᵀΩF = Ω` with ‖Ω‖ = 1, so `1 <= ‖F‖²` (arXiv 2510.22299). The
        same holds for any composition of Hamiltonian layers on the same halves. Proven in exact
        arithmetic.
        """
        return 1.0

    def get_config(self):
        return {
            **super().get_config(),
            "time": self.time,
            "steps": self.steps,
            "method": self.method,
            "share_weights": self.share_weights,
        }

    def _step(self, maps, shear):
        moves_q, index, size = shear
        affine = maps[index][0 if moves_q else 1]
        norm = affine.operator.norm_bound
        smoothness = mul_up(abs(size), self.activation.upper, norm, norm)
        return Step(affine, abs(size), shear_norm(smoothness))

    def _shears(self, backwards=False):
        """The half steps in order: `(whether q moves, which operators, signed step size)`."""
        h = self.step_size
        shears = []
        for step in range(self.steps):
            index = 0 if self.share_weights else step
            if self.method == "symplectic_euler":
                following = [(True, index, h), (False, index, -h)]
            else:
                following = [(True, index, h / 2), (False, index, -h), (True, index, h / 2)]
            if shears and shears[-1][:2] == following[0][:2]:
                # Two half steps along the same potential are one whole step.
                following[0] = (*following[0][:2], shears.pop()[2] + following[0][2])
            shears += following
        if backwards:
            return [(moves_q, index, -size) for moves_q, index, size in shears[::-1]]
        return shears

    def _run(self, inputs, shears):
        half = self._half(inputs.shape)
        q, p = ops.split(inputs, 2, axis=-1)
        for moves_q, index, size in shears:
            kernel, bias = self.operators[index][0 if moves_q else 1]
            operator = self._operator(half, kernel)
            if moves_q:
                q = q + size * self._gradient(operator, bias, p)
            else:
                p = p + size * self._gradient(operator, bias, q)
        return ops.concatenate([q, p], axis=-1)

    def _half(self, input_shape):
        channels = input_shape[-1]
        if channels is None or channels % 2:
            raise ValueError(
                f"{type(self).__name__} splits the last axis into two halves and expects an even "
                "size there: append a channel, with lipzoo.layers.CanonicalLift for instance. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return (*input_shape[:-1], channels // 2)

    def _refuse_infinite_bound(self):
        bound = self.kernel_constraint.bound
        h = self.step_size
        sizes = {h} if self.method == "symplectic_euler" else {h, h / 2}
        smoothness = max(sizes) * self.activation.upper * bound * bound
        norm = shear_norm(smoothness) if math.isfinite(smoothness) else math.inf
        count = len(self._shears())
        if not is_finite_power(norm, count):
            raise ValueError(
                "time, steps and the constraint's bound must give a finite Lipschitz bound; the "
                f"product of {count} shears of norm {norm:.3g} is none. Take a "
                "smaller time or a smaller bound. "
                f"Received: time={self.time}, steps={self.steps}, bound={bound}"
            )
