"""Forward operators: what a measurement is made of, with exact adjoints and proven norms."""

from lipzoo.inverse.operators.adjointness import check_adjoint
from lipzoo.inverse.operators.base import LinearOperator, Matrix
from lipzoo.inverse.operators.blur import Blur, gaussian_kernel
from lipzoo.inverse.operators.mask import Mask
from lipzoo.inverse.operators.named import get, serialize
from lipzoo.inverse.operators.tomography import Tomography

__all__ = [
    "Blur",
    "LinearOperator",
    "Mask",
    "Matrix",
    "Tomography",
    "check_adjoint",
    "gaussian_kernel",
    "get",
    "serialize",
]
