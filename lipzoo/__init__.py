"""Keras 3 networks whose Lipschitz constant is bounded by a proof.

`load` a pretrained network, derive its `lipschitz_bound`, `certify` its predictions, fine-tune it:
the bound holds after every step. Importing this package registers its Keras classes, so that saved
models load in a fresh process.
"""

__version__ = "0.1.0"

from lipzoo import activations, constraints, layers, losses, metrics, models, spectral, zoo
from lipzoo.bounds import (
    LayerBound,
    LipschitzBound,
    UncertifiedLayerError,
    lipschitz_bound,
    register_bound_rule,
)
from lipzoo.callbacks import LipschitzLogger
from lipzoo.certificates import Certificate, certify
from lipzoo.constraints import SpectralBound, project
from lipzoo.evaluation import (
    Diagnosis,
    JacobianNorms,
    SensitivityLogger,
    diagnose,
    jacobian_norms,
)
from lipzoo.losses import MultiClassHinge, OffsetCrossEntropy
from lipzoo.metrics import CertifiedAccuracy
from lipzoo.models import MLP, GradFlowNet, HamNet, ResNet
from lipzoo.zoo import HubError, ModelInfo, info, list_models, load, push_to_hub, verify

__all__ = [
    "MLP",
    "Certificate",
    "CertifiedAccuracy",
    "Diagnosis",
    "GradFlowNet",
    "HamNet",
    "HubError",
    "JacobianNorms",
    "LayerBound",
    "LipschitzBound",
    "LipschitzLogger",
    "ModelInfo",
    "MultiClassHinge",
    "OffsetCrossEntropy",
    "ResNet",
    "SensitivityLogger",
    "SpectralBound",
    "UncertifiedLayerError",
    "__version__",
    "activations",
    "certify",
    "constraints",
    "diagnose",
    "info",
    "jacobian_norms",
    "layers",
    "lipschitz_bound",
    "list_models",
    "load",
    "losses",
    "metrics",
    "models",
    "project",
    "push_to_hub",
    "register_bound_rule",
    "spectral",
    "verify",
    "zoo",
]
