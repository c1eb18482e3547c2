"""Linear maps with an adjoint, a proven norm and bounded rounding errors."""

from lipzoo.operators.base import BoundedOperator
from lipzoo.operators.convolution import ConvolutionOperator
from lipzoo.operators.convolution_geometry import ConvolutionGeometry, named_padding
from lipzoo.operators.dense import DenseOperator
from lipzoo.operators.sparse import SparseOperator
from lipzoo.operators.stored import StoredTensor
from lipzoo.operators.summation import Summation

__all__ = [
    "BoundedOperator",
    "ConvolutionGeometry",
    "ConvolutionOperator",
    "DenseOperator",
    "SparseOperator",
    "StoredTensor",
    "Summation",
    "named_padding",
]
