"""Certified radii: how far an input can move before the prediction can change."""

from lipzoo.certificates.certificate import Certificate
from lipzoo.certificates.certify import certify

__all__ = ["Certificate", "certify"]
