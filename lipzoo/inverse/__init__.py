"""Inverse problems: forward operators, reconstructions, certificates of their stability."""

from lipzoo.inverse.certificate import ReconstructionCertificate, certify_reconstruction
from lipzoo.inverse.layers import DataStep, MonotoneDataStep, PlugAndPlay, Tikhonov
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
    "DataStep",
    "LinearOperator",
    "Mask",
    "Matrix",
    "MonotoneDataStep",
    "PlugAndPlay",
    "ReconstructionCertificate",
    "Tikhonov",
    "Tomography",
    "certify_reconstruction",
    "check_adjoint",
    "gaussian_kernel",
]
