"""Gradient flow with a dense operator."""

import keras

from lipzoo.layers._dense import DenseLayer
from lipzoo.layers.gradient_flow import GradientFlow


@keras.saving.register_keras_serializable(package="lipzoo")
class GradientFlowDense(DenseLayer, GradientFlow):
    """Non-expansive dense layer: Euler steps of `x' = -K σ(Kᵀx + b)`.

    `ψ(x) = x - h K σ(Kᵀx + b)` with a kernel K of shape `(features, units)`. With ReLU, `h = 2` and
    orthonormal columns the Jacobian is an orthogonal matrix: the layer is non-expansive and keeps
    gradients exactly.

    Input and output: tensors of shape `(batch, ..., features)`.

    Guarantee: 1-Lipschitz in the Euclidean norm as long as ‖K‖ is at most the constraint's bound,
    which the constraint restores after every optimizer step; `lipschitz_bound` proves it in float64
    from the weights as they are.

    Args:
        units: number of columns of K (neurons); None for as many as features, `"half"` for half of
            them: the Jacobian of a ReLU flow then has as many eigenvalues 1 as it can have -1.
        time: integration time T; None for the longest single step, `2 / (β bound²)`.
        activation: a non-decreasing activation with known slopes, see `lipzoo.activations.known()`.
        gain: the layer applies `σ(gain · z) / gain`, which has the slopes of σ.
        train_gain: whether the gain is a weight, one per neuron, that starts at `gain`.
        use_bias: whether b is there.
        kernel_initializer, bias_initializer: Keras initializers; the kernel is projected at build.
        kernel_constraint: a `SpectralBound`; None for `SpectralBound(1.0)`.

    Raises:
        ValueError: for an activation without a known slope interval, or arguments out of range.

    Reference: arXiv 2510.22299; for rows rescaled instead of orthonormalised, arXiv 2303.03169.

    Example:

    >>> import numpy as np
    >>> layer = GradientFlowDense(4)
    >>> x = np.random.default_rng(0).normal(size=(2, 8)).astype("float32")
    >>> y = keras.ops.convert_to_numpy(layer(x))
    >>> bool(np.linalg.norm(y[0] - y[1]) <= np.linalg.norm(x[0] - x[1]) * (1 + 1e-6))
    True
    >>> layer.lipschitz_bound((None, 8)).value
    1.0
    """

    def __init__(
        self,
        units=None,
        time=None,
        activation="relu",
        gain=1.0,
        train_gain=False,
        use_bias=True,
        kernel_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_constraint=None,
        **kwargs,
    ):
        super().__init__(
            units,
            time=time,
            activation=activation,
            gain=gain,
            train_gain=train_gain,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            **kwargs,
        )
