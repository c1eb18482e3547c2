"""Proven Lipschitz bounds of whole Keras models."""

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.graph import lipschitz_bound
from lipzoo.bounds.registry import register_bound_rule
from lipzoo.bounds.result import LayerRow, LipschitzBound
from lipzoo.layer_bound import LayerBound

__all__ = [
    "LayerBound",
    "LayerRow",
    "LipschitzBound",
    "UncertifiedLayerError",
    "lipschitz_bound",
    "register_bound_rule",
]
