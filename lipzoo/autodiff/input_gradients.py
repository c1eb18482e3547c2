"""Gradients with respect to the input, on whichever backend Keras runs.

This package names backends because `keras.ops` has no gradient of its own.
"""

from collections.abc import Callable

from lipzoo.autodiff.backends import compiled_by_jax, of_backend, on_arrays


def input_gradient(function: Callable) -> Callable:
    """Turns a function of a batch into one that also returns its gradient, on tensors.

    For `function(x, *constants)` of shape `(batch,)`, whose entry `i` depends on `x[i]` alone, the
    gradient of the sum over the batch holds the gradient of entry `i` in its row `i`.

    Args:
        function: a function of tensors, written in `keras.ops`, returning a tensor of shape
            `(batch,)`.

    Returns:
        A function of tensors `(x, *constants)` that returns the values and the gradient of shape
        `x.shape`; it may be called in compiled code.

    Raises:
        NotImplementedError: if the backend has no gradients.
    """
    return _backend()[0](function)


def value_and_input_gradient(function: Callable, variables=()) -> Callable:
    """The same on NumPy arrays: see `input_gradient`.

    Args:
        function: as there.
        variables: the `keras.Variable`s that it reads, whose values are looked up at every call.
            On JAX the values of others are those of the first call with inputs of a shape.

    Returns:
        A function of NumPy arrays `(x, *constants)` that returns two NumPy arrays, the values of
        shape `(batch,)` and the gradient of shape `x.shape`. It is compiled once per shape where
        the backend compiles.

    Raises:
        NotImplementedError: if the backend has no gradients.

    Example:

    >>> import keras, numpy as np
    >>> square = value_and_input_gradient(lambda x: keras.ops.sum(x * x, axis=-1))
    >>> values, gradient = square(np.array([[1.0, 2.0], [3.0, 0.0]], "float32"))
    >>> values.tolist(), gradient.tolist()
    ([5.0, 9.0], [[2.0, 4.0], [6.0, 0.0]])
    """
    differentiate, compile_function = _backend()
    return on_arrays(compile_function(differentiate(function), list(variables)))


def _backend():
    """How the backend differentiates a function, and how it compiles one."""
    return of_backend(
        {
            "tensorflow": (_tensorflow, _compiled_by_tensorflow),
            "jax": (_jax, compiled_by_jax),
            "torch": (_torch, lambda function, variables: function),
        }
    )


def _tensorflow(function):
    import tensorflow as tf

    def differentiated(x, *constants):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            values = function(x, *constants)
        gradient = tape.gradient(values, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return values, gradient

    return differentiated


def _compiled_by_tensorflow(function, variables):
    import tensorflow as tf

    return tf.function(function, reduce_retracing=True, autograph=False)


def _jax(function):
    import jax

    def differentiated(x, *constants):
        values, pullback = jax.vjp(lambda inputs: function(inputs, *constants), x)
        (gradient,) = pullback(jax.numpy.ones_like(values))
        return values, gradient

    return differentiated


def _torch(function):
    import torch

    def differentiated(x, *constants):
        x = x.detach().requires_grad_(True)
        with torch.enable_grad():
            values = function(x, *constants)
            (gradient,) = torch.autograd.grad(
                values.sum(), x, allow_unused=True, materialize_grads=True
            )
        return values.detach(), gradient

    return differentiated
