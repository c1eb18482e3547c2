"""Hamiltonian steps with dense operators."""

import keras

from lipzoo.layers._dense import DenseLayer
from lipzoo.layers.hamiltonian import Hamiltonian


@keras.saving.register_keras_serializable(package="lipzoo")
class HamiltonianDense(DenseLayer, Hamiltonian):
    """Symplectic dense layer: steps of `q' = B σ(Bᵀp + b), p' = -C σ(Cᵀq + c)`.

    The last axis is split into halves (q, p). One step of symplectic Euler is

        q⁺ = q + h B σ(Bᵀp + b),   p⁺ = p - h C σ(Cᵀq⁺ + c)

    with kernels B and C of shape `(features / 2, units)`. The Jacobian is symplectic: gradients
    cannot vanish, forwards or backwards, at any depth. The layer is not contractive.

    Input and output: tensors of shape `(batch, ..., features)`, `features` even.

    Guarantee: the Jacobian's norm is at least 1 for any weights, and at most the product over the
    half steps of `m/2 + sqrt(1 + m²/4)`, `m = hβ‖B‖²`, which `lipschitz_bound` proves in float64
    from the weights as they are.

    Args:
        units: number of columns of each kernel (neurons); None for as many as features of a half of
            the state, `"half"` for half as many.
        time: integration time T; the step size is `h = time / steps`.
        steps: number of steps.
        method: `"symplectic_euler"` (order 1) or `"verlet"` (leapfrog, order 2).
        share_weights: one pair of kernels for all steps instead of one per step.
        activation: a non-decreasing activation with known slopes, see `lipzoo.activations.known()`.
        gain, use_bias, kernel_initializer, bias_initializer, kernel_constraint: as in
            `GradientFlowDense`.
        **kwargs: Keras' `name`, `dtype`, `trainable`.

    Raises:
        ValueError: for an odd state, an activation without a known slope interval, arguments out of
            range, or a step that makes the declared bound infinite.

    Reference: arXiv 2510.22299.

    Example:

    >>> import numpy as np
    >>> layer = HamiltonianDense(8, time=0.5)
    >>> x = np.random.default_rng(0).normal(size=(2, 6)).astype("float32")
    >>> y = layer(x)
    >>> bool(np.allclose(keras.ops.convert_to_numpy(layer.inverse(y)), x, atol=1e-5))
    True
    >>> 1.0 <= layer.lipschitz_bound((None, 6)).value <= 1.65
    True
    """

    def __init__(
        self,
        units=None,
        time=1.0,
        activation="tanh",
        steps=1,
        method="symplectic_euler",
        share_weights=False,
        gain=1.0,
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
            steps=steps,
            method=method,
            share_weights=share_weights,
            gain=gain,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_constraint=kernel_constraint,
            **kwargs,
        )
