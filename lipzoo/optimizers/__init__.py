"""Optimizers for networks whose kernels have orthonormal columns or rows."""

from lipzoo.optimizers.stiefel_muon import StiefelMuon

__all__ = ["StiefelMuon"]
