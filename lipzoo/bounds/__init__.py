"""Proven Lipschitz bounds of whole Keras models."""

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.model_bound import LayerRow, LipschitzBound
from lipzoo.bounds.propagation import METHODS, lipschitz_bound
from lipzoo.bounds.rule_registry import register_bound_rule
from lipzoo.bounds.uncertified import uncertified_layers
from lipzoo.bounds.walk import UncertifiedLayer

__all__ = [
    "METHODS",
    "LayerBound",
    "LayerRow",
    "LipschitzBound",
    "UncertifiedLayer",
    "UncertifiedLayerError",
    "lipschitz_bound",
    "register_bound_rule",
    "uncertified_layers",
]
