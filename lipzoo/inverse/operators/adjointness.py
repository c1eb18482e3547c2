"""Whether an operator's adjoint is its own: a test on random vectors."""

import math

import keras
import numpy as np

from lipzoo.inverse.operators.base import LinearOperator


def check_adjoint(operator, tolerance: float = 1e-6, seed: int = 0) -> None:
    """Tests `⟨Ax, y⟩ = ⟨x, Aᵀy⟩` and the shapes on random vectors, in float32.

    A test, not a proof: it finds operators whose adjoint is another operator's, or whose shapes are
    not those that they state.

    Args:
        operator: a `LinearOperator`.
        tolerance: largest difference beyond underflow, relative to `‖Ax‖ ‖y‖ + ‖x‖ ‖Aᵀy‖`.
        seed: seed of the vectors.

    Raises:
        TypeError: if it is not a `LinearOperator`.
        ValueError: if a shape differs or the products do.
    """
    if not isinstance(operator, LinearOperator):
        raise TypeError(
            f"Expected a lipzoo.inverse.LinearOperator. Received: operator={operator!r}"
        )
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((4, *operator.input_shape)).astype("float32")
    y = generator.standard_normal((4, *operator.output_shape)).astype("float32")
    to_numpy = keras.ops.convert_to_numpy
    forward = to_numpy(operator.apply(keras.ops.convert_to_tensor(x))).astype("float64")
    backward = to_numpy(operator.adjoint(keras.ops.convert_to_tensor(y))).astype("float64")
    for name, array, shape in (("apply", forward, y.shape), ("adjoint", backward, x.shape)):
        if array.shape != shape:
            raise ValueError(
                f"{operator!r}: expected {name} to return a batch of shape {shape}. "
                f"Received: {array.shape}"
            )
    first = np.sum((forward * y).reshape(4, -1), axis=1)
    second = np.sum((x * backward).reshape(4, -1), axis=1)
    norms = [np.linalg.norm(v.reshape(4, -1), axis=1) for v in (forward, y, x, backward)]
    scale = norms[0] * norms[1] + norms[2] * norms[3]
    # Products below float32's range become zero, which is no fault of the adjoint.
    forward_size = operator.inputs * math.sqrt(operator.outputs) * norms[1]
    backward_size = operator.outputs * math.sqrt(operator.inputs) * norms[2]
    underflow = float(np.finfo("float32").tiny) * (forward_size + backward_size)
    difference = np.maximum(np.abs(first - second) - underflow, 0.0)
    error = float(np.max(difference / np.where(scale > 0, scale, 1.0)))
    if not error <= tolerance:
        raise ValueError(
            f"{operator!r}: expected adjoint to be the transpose of apply, <Ax, y> = <x, A'y> to "
            f"{tolerance:g}. Received: a relative difference of {error:.3g}"
        )
