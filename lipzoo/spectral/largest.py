"""The largest of some numbers, without what Keras asks first."""

import keras
from keras import ops


def largest(values, axis=None):
    """`ops.max` of numbers of which there are some, none of them negative.

    Outside of a graph Keras has TensorFlow assert that there are any, which takes longer than to
    find their maximum; not so where a least value is given.

    Example:

    >>> float(largest(ops.convert_to_tensor([0.5, 2.0])))
    2.0
    """
    if keras.backend.backend() == "tensorflow":
        return ops.max(values, axis=axis, initial=0.0)
    return ops.max(values, axis=axis)
