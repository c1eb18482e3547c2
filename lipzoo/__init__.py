"""Keras 3 networks whose Lipschitz constant is bounded by a proof.

`load` a pretrained network, derive its `lipschitz_bound`, `certify` its predictions, fine-tune it:
the bound holds after every step. Importing this package registers its Keras classes, so that saved
models load in a fresh process.
"""

import importlib
import sys

from lipzoo_catalogue.backend import check_backend
from lipzoo_catalogue.native_messages import without_native_messages

# Before anything imports Keras, which would fail with a traceback of its own.
check_backend()
if "keras" not in sys.modules:
    # The backend's compiled code writes to the terminal while it is loaded, whatever the log level.
    with without_native_messages():
        import keras  # noqa: F401

from lipzoo import (
    activations,
    conformal,
    constraints,
    inverse,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    spectral,
    zoo,
)
from lipzoo.bounds import (
    LayerBound,
    LipschitzBound,
    UncertifiedLayer,
    UncertifiedLayerError,
    lipschitz_bound,
    register_bound_rule,
    uncertified_layers,
)
from lipzoo.callbacks import LipschitzLogger
from lipzoo.certificates import (
    Certificate,
    RegressionCertificate,
    certify,
    certify_regression,
    certify_summary,
)
from lipzoo.certifying import Certifier
from lipzoo.constraining import constrain
from lipzoo.constraints import SpectralBound, project
from lipzoo.data.samples import samples
from lipzoo.evaluation import (
    Audit,
    AuditContradiction,
    CertificateViolation,
    Diagnosis,
    JacobianNorms,
    Movement,
    Robustness,
    SensitivityLogger,
    audit,
    diagnose,
    evaluate,
    evaluate_robustness,
    jacobian_norms,
    worst_movement,
)
from lipzoo.exporting import export
from lipzoo.importing import from_onnx
from lipzoo.inverse import ReconstructionCertificate, certify_reconstruction
from lipzoo.losses import MultiClassHinge, OffsetCrossEntropy
from lipzoo.metrics import CertifiedAccuracy
from lipzoo.models import MLP, Denoiser, GradFlowNet, HamNet, InvNet, ResNet, UnrolledNet
from lipzoo.zoo import HubError, ModelInfo, info, list_models, load, push_to_hub, verify
from lipzoo_catalogue.certified.certificate_summary import CertificateSummary
from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.parts import join_certificates
from lipzoo_catalogue.exported import ExportedCertificate, exported_certificate
from lipzoo_catalogue.version import __version__

__all__ = [
    "MLP",
    "Audit",
    "AuditContradiction",
    "Certificate",
    "CertificateSummary",
    "CertificateViolation",
    "Certified",
    "CertifiedAccuracy",
    "Certifier",
    "Denoiser",
    "Diagnosis",
    "ExportedCertificate",
    "GradFlowNet",
    "HamNet",
    "HubError",
    "InvNet",
    "JacobianNorms",
    "LayerBound",
    "LipschitzBound",
    "LipschitzLogger",
    "ModelInfo",
    "Movement",
    "MultiClassHinge",
    "OffsetCrossEntropy",
    "ReconstructionCertificate",
    "RegressionCertificate",
    "ResNet",
    "Robustness",
    "SensitivityLogger",
    "SpectralBound",
    "UncertifiedLayer",
    "UncertifiedLayerError",
    "UnrolledNet",
    "__version__",
    "activations",
    "audit",
    "certify",
    "certify_reconstruction",
    "certify_regression",
    "certify_summary",
    "conformal",
    "constrain",
    "constraints",
    "diagnose",
    "evaluate",
    "evaluate_robustness",
    "export",
    "exported_certificate",
    "from_onnx",
    "info",
    "inverse",
    "jacobian_norms",
    "join_certificates",
    "layers",
    "lipschitz_bound",
    "list_models",
    "load",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "project",
    "push_to_hub",
    "register_bound_rule",
    "samples",
    "spectral",
    "uncertified_layers",
    "verify",
    "worst_movement",
    "zoo",
]


def __getattr__(name: str):
    # scikit-learn is optional, and takes a second to import.
    if name == "sklearn":
        return importlib.import_module("lipzoo.sklearn")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
