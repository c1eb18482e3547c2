"""Rules for Keras' own layers: `(layer, input_shape) -> LayerBound`, a table per kind."""

from lipzoo.bounds.rules import (
    activation,
    convolution,
    einsum,
    linear,
    normalization,
    pooling,
    resampling,
    shape,
)

BUILT_IN_RULES = {
    **activation.RULES,
    **linear.RULES,
    **einsum.RULES,
    **normalization.RULES,
    **resampling.RULES,
    **convolution.RULES,
    **pooling.RULES,
    **shape.RULES,
}


def check_kernel_layer(layer, input_shape) -> None:
    """Refuses a layer with a kernel for what its rule would refuse before it takes the norm.

    Raises:
        UncertifiedLayerError: with the first reason.
    """
    linear.refuse_adapters(layer)
    if type(layer) in einsum.RULES:
        einsum.letters_of(layer, len(input_shape))
    if type(layer) in convolution.RULES:
        convolution.refuse_wrong_results(layer, input_shape)
    function = getattr(layer, "activation", None)
    if function is not None:
        output_shape = tuple(layer.compute_output_shape(input_shape))
        activation.activation_bound(layer, function, output_shape)


__all__ = ["BUILT_IN_RULES", "check_kernel_layer"]
