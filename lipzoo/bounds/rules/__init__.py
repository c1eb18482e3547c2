"""Rules for Keras' own layers: `(layer, input_shape) -> LayerBound`, a table per kind."""

from lipzoo.bounds.rules import activation, convolution, linear, pooling, shape

BUILT_IN_RULES = {
    **activation.RULES,
    **linear.RULES,
    **convolution.RULES,
    **pooling.RULES,
    **shape.RULES,
}

__all__ = ["BUILT_IN_RULES"]
