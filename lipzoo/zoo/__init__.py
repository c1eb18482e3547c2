"""The zoo: models with their weights, certificates and test results, as files that are checked."""

from lipzoo.zoo.config import ModelConfig, read_config
from lipzoo.zoo.files import FileRecord
from lipzoo.zoo.loading import load
from lipzoo.zoo.model_info import ModelInfo, info
from lipzoo.zoo.promotion import promote
from lipzoo.zoo.records import Accuracies, Claim, Metrics
from lipzoo.zoo.registry import RegistryEntry, list_models, model_folder, read_registry
from lipzoo.zoo.saving import save_model
from lipzoo.zoo.weights import read_weights, write_weights

__all__ = [
    "Accuracies",
    "Claim",
    "FileRecord",
    "Metrics",
    "ModelConfig",
    "ModelInfo",
    "RegistryEntry",
    "info",
    "list_models",
    "load",
    "model_folder",
    "promote",
    "read_config",
    "read_registry",
    "read_weights",
    "save_model",
    "write_weights",
]
