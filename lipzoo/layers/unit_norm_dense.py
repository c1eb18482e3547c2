"""The linear head of a classifier."""

import keras
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._affine import affine_bound
from lipzoo.layers._constrained import add_operator
from lipzoo.layers._dense import DenseLayer
from lipzoo.layers._step_rounding import affine_map
from lipzoo.validation import integer


@keras.saving.register_keras_serializable(package="lipzoo")
class UnitNormDense(DenseLayer):
    """Linear head with unit-norm columns: `logits_j = ⟨w_j, x⟩ + b_j`, `‖w_j‖ = 1`.

    Behind features that are L-Lipschitz, every logit is L-Lipschitz and the difference of logits
    i and j is `L ‖w_i - w_j‖`-Lipschitz, which is what `lipzoo.certify` uses.

    Input of shape `(batch, features)`, output of shape `(batch, units)`.

    Guarantee: all logits jointly have the Lipschitz constant ‖W‖, between 1 and √units;
    `lipschitz_bound` proves it in float64 from the weights as they are. Nothing of the certificate
    relies on the columns' norms being exactly 1. For `‖W‖ <= 1` use `SpectralDense`, whose
    orthonormal columns are the special case with nothing to spare.

    Args:
        units: number of classes.
        use_bias: whether b is there.
        kernel_initializer, bias_initializer: Keras initializers; columns are normalised when built
            and after every optimizer step.

    Raises:
        ValueError: if an argument is out of range.

    Reference: last-layer normalisation, arXiv 2105.11417.

    Example:

    >>> import numpy as np
    >>> head = UnitNormDense(3)
    >>> head.build((None, 8))
    >>> norms = np.linalg.norm(keras.ops.convert_to_numpy(head.kernel), axis=0)
    >>> bool(np.allclose(norms, 1.0, atol=1e-6))
    True
    """

    def __init__(
        self,
        units,
        use_bias=True,
        kernel_initializer="orthogonal",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(integer(units, "units"), **kwargs)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_constraint = keras.constraints.UnitNorm(axis=0)

    def build(self, input_shape):
        self.kernel, self.bias = add_operator(self, input_shape)
        self.input_spec = self._accepted(axes={-1: input_shape[-1]})

    def call(self, inputs):
        outputs = ops.matmul(inputs, self.kernel)
        return outputs + self.bias if self.use_bias else outputs

    def linear_weights(self):
        """Kernel and bias of the logits `Wᵀh + b`, by which certificates get sharper."""
        return self.kernel, self.bias

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def _accepted(self, **axes):
        return keras.layers.InputSpec(ndim=2, **axes)

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the proven bound ‖W‖ of all logits jointly."""
        affine = affine_map(self, tuple(input_shape), self.kernel, self.bias)
        return affine_bound(affine, None, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
