"""Inverse problems: forward operators, reconstructions, certificates of their stability."""

from lipzoo.inverse.back_projection import filtered_back_projection
from lipzoo.inverse.certificate import ReconstructionCertificate, certify_reconstruction
from lipzoo.inverse.image_metrics import psnr, relative_error, ssim
from lipzoo.inverse.layers import (
    DataStep,
    MonotoneDataStep,
    PlugAndPlay,
    SensitivityLift,
    Tikhonov,
)
from lipzoo.inverse.noise import noise_norm
from lipzoo.inverse.operators import (
    Blur,
    ChebyshevInverse,
    Fourier,
    LinearOperator,
    Mask,
    Matrix,
    SparseMatrix,
    Tomography,
    check_adjoint,
    from_astra,
    from_odl,
    from_pylops,
    from_scipy,
    gaussian_kernel,
)
from lipzoo.inverse.parameter_choice import Selection, choose_alpha, choose_weight
from lipzoo.inverse.tikhonov_reconstruction import (
    alpha_for_bound,
    tikhonov,
    tikhonov_norm_bound,
)
from lipzoo.inverse.total_variation.reconstruction import TotalVariationResult, total_variation

__all__ = [
    "Blur",
    "ChebyshevInverse",
    "DataStep",
    "Fourier",
    "LinearOperator",
    "Mask",
    "Matrix",
    "MonotoneDataStep",
    "PlugAndPlay",
    "ReconstructionCertificate",
    "Selection",
    "SensitivityLift",
    "SparseMatrix",
    "Tikhonov",
    "Tomography",
    "TotalVariationResult",
    "alpha_for_bound",
    "certify_reconstruction",
    "check_adjoint",
    "choose_alpha",
    "choose_weight",
    "filtered_back_projection",
    "from_astra",
    "from_odl",
    "from_pylops",
    "from_scipy",
    "gaussian_kernel",
    "noise_norm",
    "psnr",
    "relative_error",
    "ssim",
    "tikhonov",
    "tikhonov_norm_bound",
    "total_variation",
]
