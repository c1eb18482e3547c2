"""Forward operators: what a measurement is made of, with exact adjoints and proven norms."""

from lipzoo.inverse.operators.adjointness import check_adjoint
from lipzoo.inverse.operators.base import ChebyshevInverse, LinearOperator, Matrix
from lipzoo.inverse.operators.blur import Blur, gaussian_kernel
from lipzoo.inverse.operators.fourier import Fourier
from lipzoo.inverse.operators.mask import Mask
from lipzoo.inverse.operators.named import get, serialize
from lipzoo.inverse.operators.sparse_matrix import SparseMatrix
from lipzoo.inverse.operators.tomography import Tomography
from lipzoo.inverse.operators.wrappers import from_astra, from_odl, from_pylops, from_scipy

__all__ = [
    "Blur",
    "ChebyshevInverse",
    "Fourier",
    "LinearOperator",
    "Mask",
    "Matrix",
    "SparseMatrix",
    "Tomography",
    "check_adjoint",
    "from_astra",
    "from_odl",
    "from_pylops",
    "from_scipy",
    "gaussian_kernel",
    "get",
    "serialize",
]
