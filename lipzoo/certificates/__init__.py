"""Certified radii of predictions, and certified intervals of numbers that are predicted."""

from lipzoo.certificates.certificate import Certificate
from lipzoo.certificates.certify import certify
from lipzoo.certificates.counting import certify_summary
from lipzoo.certificates.regression import certify_regression
from lipzoo.certificates.regression_certificate import RegressionCertificate

__all__ = [
    "Certificate",
    "RegressionCertificate",
    "certify",
    "certify_regression",
    "certify_summary",
]
