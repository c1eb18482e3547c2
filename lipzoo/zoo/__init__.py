"""The zoo: models with their weights, certificates and test results, as files that are checked."""

from lipzoo.zoo.loading import load
from lipzoo.zoo.promotion import promote
from lipzoo.zoo.publishing import Package, prepare, publish, push_to_hub
from lipzoo.zoo.saving import save_model
from lipzoo.zoo.verification import Check, Verification, verify
from lipzoo.zoo.weights import read_weights, write_weights
from lipzoo_catalogue.certificate_claim import Claim
from lipzoo_catalogue.classification_metrics import Accuracies, Metrics
from lipzoo_catalogue.files import FileRecord
from lipzoo_catalogue.hub.errors import HubError
from lipzoo_catalogue.model_config import ModelConfig, read_config
from lipzoo_catalogue.model_info import ModelInfo, describe, info
from lipzoo_catalogue.registry import RegistryEntry, list_models, model_folder, read_registry

__all__ = [
    "Accuracies",
    "Check",
    "Claim",
    "FileRecord",
    "HubError",
    "Metrics",
    "ModelConfig",
    "ModelInfo",
    "Package",
    "RegistryEntry",
    "Verification",
    "describe",
    "info",
    "list_models",
    "load",
    "model_folder",
    "prepare",
    "promote",
    "publish",
    "push_to_hub",
    "read_config",
    "read_registry",
    "read_weights",
    "save_model",
    "verify",
    "write_weights",
]
