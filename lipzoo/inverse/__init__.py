"""Inverse problems: forward operators, classical yardsticks, certificates of reconstructions."""

from lipzoo.inverse.operators import (
    Blur,
    LinearOperator,
    Mask,
    Matrix,
    Tomography,
    check_adjoint,
    gaussian_kernel,
)

__all__ = [
    "Blur",
    "LinearOperator",
    "Mask",
    "Matrix",
    "Tomography",
    "check_adjoint",
    "gaussian_kernel",
]
