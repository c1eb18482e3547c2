"""Constraints that keep norms below a bound while weights are trained."""

from lipzoo.constraints.grouped_spectral_bound import GroupedSpectralBound
from lipzoo.constraints.max_modulus import MaxModulus
from lipzoo.constraints.projection import project
from lipzoo.constraints.spectral_bound import METHODS, SpectralBound

__all__ = ["METHODS", "GroupedSpectralBound", "MaxModulus", "SpectralBound", "project"]
