"""How each operator of ONNX is read, a file for each kind."""

from lipzoo.importing.operators import (
    activation,
    arithmetic,
    convolution,
    linear,
    normalization,
    pooling,
    resizing,
    shape,
)

OPERATORS = {
    **linear.OPERATORS,
    **convolution.OPERATORS,
    **arithmetic.OPERATORS,
    **activation.OPERATORS,
    **normalization.OPERATORS,
    **pooling.OPERATORS,
    **resizing.OPERATORS,
    **shape.OPERATORS,
}

__all__ = ["OPERATORS"]
