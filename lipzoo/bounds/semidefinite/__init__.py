"""Bounds of affine layers and activations together: ellipsoids instead of balls.

A product of norms takes every layer at its worst, in whatever direction that is. Here a positive
semi-definite matrix follows along in which directions a tensor can move how far, layer by layer in
closed form (ECLipsE-Fast, arXiv 2510.05261, of the semidefinite programme of arXiv 1906.04893), in
float64, every step verified: that a diagonal dominates by Cholesky's factorisation, an inverse by
its residual, sums by their number of terms. Three diagonals are tried, each a proof of its own.
"""

from lipzoo.bounds.semidefinite.sharpening import sharpened

__all__ = ["sharpened"]
