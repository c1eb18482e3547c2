"""One of two computations, chosen when it runs."""

import keras
from keras import ops


def branch(predicate, if_true, if_false):
    """`ops.cond`, without the compilation that JAX adds to every call outside of `jax.jit`.

    Args:
        predicate: boolean scalar tensor.
        if_true, if_false: functions without arguments, of results alike in shape and type.

    Example:

    >>> float(branch(ops.convert_to_tensor(2.0) > 1.0, lambda: 3.0, lambda: 4.0))
    3.0
    """
    if keras.backend.backend() == "jax":
        from jax.core import Tracer

        if not isinstance(predicate, Tracer):
            return if_true() if predicate else if_false()
    return ops.cond(predicate, if_true, if_false)
