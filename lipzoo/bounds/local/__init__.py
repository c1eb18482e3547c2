"""Slopes of a chain of affine layers and ReLUs within a ball, one ball for each example."""

from lipzoo.bounds.local.chain import Chain, chain_of
from lipzoo.bounds.local.slopes import local_slopes

__all__ = ["Chain", "chain_of", "local_slopes"]
