"""What the layers that step along the gradient of a potential share."""

import keras

from lipzoo import activations
from lipzoo.layers._constrained import spectral_constraint
from lipzoo.validation import positive_number


class PotentialGradient(keras.layers.Layer):
    """Base of the layers made of gradients `∇V(x) = Aᵀσ(Ax + b)` of potentials `V = Σ γ(Ax + b)`.

    `γ' = σ` is non-decreasing with slopes in [0, β], so V is convex and β‖A‖²-smooth.

    A mixin provides the shape of the operator's kernel (`_kernel_shape`), the operator with some
    kernel (`_operator`), and the layer's `InputSpec` (`_accepted`).
    """

    def __init__(
        self,
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

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "activation": self.activation.name,
            "gain": self.gain,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }

    def _check_attributes(self):
        """Refuses what may have been set since: the bounds rest on it.

        Raises:
            ValueError: see there.
        """
        activations.get_monotone(self.activation)
        positive_number(self.gain, "gain")
        positive_number(self.step_size, "step_size")

    def _gradient(self, operator, bias, inputs):
        """Returns `Aᵀσ_c(A inputs + b)`, c the gain."""
        preactivation = operator.apply(inputs)
        if bias is not None:
            preactivation = preactivation + bias
        return operator.adjoint(self.activation(preactivation, self._present_gain()))

    def _present_gain(self):
        """The number that the layer was given, or the weight that a layer makes of it."""
        return self.gain
