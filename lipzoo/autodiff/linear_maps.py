"""Gradients of linear maps whose transpose is known, where following every operation is dear."""

from collections.abc import Callable

import keras


def with_adjoint(forward: Callable, adjoint: Callable) -> Callable:
    """Turns a linear map of tensors into one whose gradient is computed by its adjoint.

    On TensorFlow, which would otherwise differentiate loops by storing what passes through them,
    and by the constants in them as well. TensorFlow and JAX compile it, once for each shape.

    Args:
        forward: `x ↦ Ax`.
        adjoint: `y ↦ Aᵀy`.

    Returns:
        A function with the values of `forward`; gradients of its gradients are there too.

    Example:

    >>> double = with_adjoint(lambda x: 2.0 * x, lambda y: 2.0 * y)
    >>> float(double(keras.ops.convert_to_tensor(3.0)))
    6.0
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(forward)
    if backend != "tensorflow":
        return forward
    import tensorflow as tf

    def transposable(first, second):
        @tf.custom_gradient
        def mapped(x):
            return first(x), transposable(second, first)

        return mapped

    return tf.function(transposable(forward, adjoint), autograph=False, reduce_retracing=True)
