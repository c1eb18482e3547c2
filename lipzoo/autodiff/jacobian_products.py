"""Products with Jacobians and gradients of weights, on whichever backend Keras runs.

Like `lipzoo.autodiff.input_gradients`, this names backends, because `keras.ops` differentiates
nothing. What is returned takes and gives NumPy arrays, is compiled once per shape where the backend
compiles, and stays valid while the weights change.
"""

from collections.abc import Callable

import keras

from lipzoo.autodiff.backends import compiled_by_jax, of_backend, on_arrays


def vector_jacobian_product(function: Callable, variables=()) -> Callable:
    """Turns a function of a batch into the product of a vector with its Jacobian, `Jᵀu`.

    For `function(x, *constants)` of shape `(batch, outputs)`, whose row `i` depends on row `i` of
    `x` alone, row `i` of the product is `J_iᵀ u_i` with the Jacobian `J_i` of that row.

    Args:
        function: a function of tensors, written in `keras.ops`.
        variables: the Keras variables that it reads; JAX takes their values anew at every call.

    Returns:
        A function of NumPy arrays `(vector, x, *constants)`, vector of shape `(batch, outputs)`,
        that returns an array of the shape of `x`.

    Raises:
        NotImplementedError: if the backend has no gradients.

    Example: the Jacobian of `x²` is diag(2x).

    >>> import numpy as np
    >>> pullback = vector_jacobian_product(lambda x: x * x)
    >>> pullback(np.array([[1.0, 10.0]], "float32"), np.array([[3.0, 4.0]], "float32")).tolist()
    [[6.0, 80.0]]
    """
    builders = {
        "tensorflow": _tensorflow_pullback,
        "jax": _jax_pullback,
        "torch": _torch_pullback,
    }
    return on_arrays(of_backend(builders)(function, variables))


def jacobian_vector_product(function: Callable, variables=()) -> Callable:
    """Turns a function of a batch into the product of its Jacobian with a vector, `Jv`.

    On TensorFlow and torch this is the gradient of the linear map `u ↦ Jᵀu`, which needs only what
    the layers define anyway; on JAX it is its forward mode.

    Args:
        function: as in `vector_jacobian_product`.
        variables: as in `vector_jacobian_product`.

    Returns:
        A function of NumPy arrays `(vector, x, *constants)`, vector of the shape of `x`, that
        returns an array of shape `(batch, outputs)`.

    Raises:
        NotImplementedError: if the backend has no gradients.

    Example: the Jacobian of `x ↦ x₁ + x₂` is (1, 1).

    >>> import keras, numpy as np
    >>> pushforward = jacobian_vector_product(lambda x: keras.ops.sum(x, axis=-1, keepdims=True))
    >>> pushforward(np.array([[2.0, 3.0]], "float32"), np.zeros((1, 2), "float32")).tolist()
    [[5.0]]
    """
    builders = {
        "tensorflow": _tensorflow_pushforward,
        "jax": _jax_pushforward,
        "torch": _torch_pushforward,
    }
    return on_arrays(of_backend(builders)(function, variables))


def weight_gradients(function: Callable, variables, others=()) -> Callable:
    """Turns a function into its gradients with respect to trainable variables.

    Args:
        function: a function of tensors that returns a scalar.
        variables: the Keras variables to differentiate with respect to.
        others: further Keras variables that it reads, see `vector_jacobian_product`.

    Returns:
        A function of the same arguments, NumPy arrays, that returns one array per variable: zeros
        for a variable that the value does not depend on.

    Raises:
        NotImplementedError: if the backend has no gradients.

    Example:

    >>> import keras, numpy as np
    >>> weight = keras.Variable([1.0, 2.0])
    >>> gradients = weight_gradients(lambda x: keras.ops.sum(x * weight), [weight])
    >>> [gradient.tolist() for gradient in gradients(np.array([3.0, 4.0], "float32"))]
    [[3.0, 4.0]]
    """
    builders = {
        "tensorflow": _tensorflow_weights,
        "jax": _jax_weights,
        "torch": _torch_weights,
    }
    return on_arrays(of_backend(builders)(function, list(variables), list(others)))


def _tensorflow_pullback(function, variables):
    import tensorflow as tf

    @tf.function(reduce_retracing=True, autograph=False)
    def pullback(vector, x, *constants):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            values = function(x, *constants)
        return tape.gradient(values, x, vector, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return pullback


def _tensorflow_pushforward(function, variables):
    import tensorflow as tf

    zero = tf.UnconnectedGradients.ZERO

    @tf.function(reduce_retracing=True, autograph=False)
    def pushforward(vector, x, *constants):
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(x)
                values = function(x, *constants)
            cotangent = tf.zeros_like(values)
            outer.watch(cotangent)
            pulled = inner.gradient(values, x, cotangent, unconnected_gradients=zero)
        return outer.gradient(pulled, cotangent, vector, unconnected_gradients=zero)

    return pushforward


def _tensorflow_weights(function, variables, others):
    import tensorflow as tf

    @tf.function(reduce_retracing=True, autograph=False)
    def gradients(*inputs):
        with tf.GradientTape() as tape:
            value = function(*inputs)
        found = tape.gradient(
            value,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [tf.convert_to_tensor(gradient) for gradient in found]

    return gradients


def _jax_pullback(function, variables):
    import jax

    def pullback(vector, x, *constants):
        return jax.vjp(lambda point: function(point, *constants), x)[1](vector)[0]

    return compiled_by_jax(pullback, variables)


def _jax_pushforward(function, variables):
    import jax

    def pushforward(vector, x, *constants):
        return jax.jvp(lambda point: function(point, *constants), (x,), (vector,))[1]

    return compiled_by_jax(pushforward, variables)


def _jax_weights(function, variables, others):
    import jax

    @jax.jit
    def gradients(values, other_values, *inputs):
        def value(weights):
            mapping = [
                *zip(variables, weights, strict=True),
                *zip(others, other_values, strict=True),
            ]
            with keras.StatelessScope(state_mapping=mapping):
                return function(*inputs)

        return jax.grad(value)(values)

    return lambda *inputs: gradients(
        [variable.value for variable in variables], [other.value for other in others], *inputs
    )


def _torch_pullback(function, variables):
    import torch

    def pullback(vector, x, *constants):
        x = x.detach().requires_grad_(True)
        with torch.enable_grad():
            values = function(x, *constants)
            return torch.autograd.grad(
                values, x, vector, allow_unused=True, materialize_grads=True
            )[0]

    return pullback


def _torch_pushforward(function, variables):
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    settings = {"allow_unused": True, "materialize_grads": True}

    def pushforward(vector, x, *constants):
        x = x.detach().requires_grad_(True)
        # Of the attention kernels only this one has second derivatives.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            values = function(x, *constants)
            cotangent = torch.zeros_like(values, requires_grad=True)
            pulled = torch.autograd.grad(values, x, cotangent, create_graph=True, **settings)[0]
            return torch.autograd.grad(pulled, cotangent, vector, **settings)[0]

    return pushforward


def _torch_weights(function, variables, others):
    import torch

    def gradients(*inputs):
        with torch.enable_grad():
            value = function(*inputs)
            return torch.autograd.grad(
                value,
                [variable.value for variable in variables],
                allow_unused=True,
                materialize_grads=True,
            )

    return gradients
