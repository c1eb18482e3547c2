"""Spatial sizes that a data set leaves open, and that the layer was built for."""

from keras import ops


def with_built_sizes(layer, inputs):
    """The inputs with the sizes that the layer was built for, where theirs are not known.

    A `tf.data.Dataset` may have elements of unknown sizes. Whatever does not have the built sizes
    then fails when it comes. Inputs of known sizes, and those of a layer that was built for any
    size, are returned as they are.
    """
    if None not in inputs.shape[1:]:
        return inputs
    built = (layer.get_build_config() or {}).get("input_shape") or (None, None)
    if None in built[1:] or len(built) != len(inputs.shape):
        return inputs
    # Nothing is repeated: this states the sizes, and fails for others.
    return ops.broadcast_to(inputs, (ops.shape(inputs)[0], *built[1:]))
