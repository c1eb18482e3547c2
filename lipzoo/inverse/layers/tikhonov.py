"""Tikhonov's reconstruction as a layer."""

import keras

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.inverse.layers._with_operator import OperatorLayer
from lipzoo.validation import positive_number


@keras.saving.register_keras_serializable(package="lipzoo")
class Tikhonov(OperatorLayer):
    """The linear map `y ↦ (AᵀA + αI)⁻¹Aᵀy`, the minimiser of `‖Ax - y‖² + α‖x‖²`.

    Input: measurements `(batch, *operator.output_shape)`. Output: images
    `(batch, *operator.input_shape)`.

    Guarantee: Lipschitz constant `max s / (s² + α)` over the singular values s of A, at most
    `1 / (2√α)`; what is proven is the norm of the map as it is stored.

    Args:
        operator: the forward operator A, a `lipzoo.inverse.LinearOperator`.
        alpha: α, a positive finite number.
        **kwargs: Keras' `name`, `dtype`.

    Raises:
        ValueError: if α is not positive, the operator is none or too large to be inverted, or the
            input is not of the operator's shape.

    Example:

    >>> from lipzoo.inverse import Matrix
    >>> layer = Tikhonov(Matrix([[2.0]]), alpha=1.0)
    >>> float(layer(keras.ops.ones((1, 1)))[0, 0])
    0.4...
    """

    def __init__(self, operator, alpha, **kwargs):
        super().__init__(operator, **kwargs)
        self.alpha = positive_number(alpha, "alpha")
        self.inverse = self.operator.regularised_inverse(self.alpha)

    def build(self, input_shape):
        self._check_measurement(input_shape)

    def call(self, inputs):
        return self.inverse.apply(inputs)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.operator.input_shape)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the proven norm of the stored map."""
        self._trust_operator()
        self._trust(self.inverse)
        known = self.inverse.rounding(self.compute_dtype)
        slope, offset = (None, None) if known is None else (known[0], 0.0)
        derivation = f"norm of Tikhonov's inverse, α = {self.alpha:.3g}"
        return LayerBound(self.inverse.norm_bound, derivation, 0.0, slope, offset)
