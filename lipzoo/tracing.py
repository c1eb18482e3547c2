"""One trace of a computation, for all tensors of the same shape and type."""

import functools

import keras


def traced_once(function, tensor, *options):
    """Returns `function(tensor, *options)`; a graph under construction holds a call of it.

    A network of many equal layers is traced several times as fast if what is done to each layer's
    kernel is traced for the first of them and called for the others. TensorFlow does so where it is
    tracing; outside, and on PyTorch, this is the plain call. JAX does so everywhere, since it
    compiles every operation of a new shape also where it is not tracing: a layer is built several
    times as fast if they are compiled as one.

    Args:
        function: a function of one tensor that makes no variables and has no other effects.
        tensor: its first argument.
        options: its other arguments, hashable and constant; equal ones share a trace.

    Example:

    >>> traced_once(pow, 3.0, 2)
    9.0
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            return _compiled(function, options)(tf.convert_to_tensor(tensor))
    elif backend == "jax":
        return _compiled(function, options)(tensor)
    return function(tensor, *options)


@functools.cache
def _compiled(function, options):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda tensor: function(tensor, *options), autograph=False)
    import jax

    return jax.jit(lambda tensor: function(tensor, *options))
