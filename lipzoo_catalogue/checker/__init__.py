"""A second opinion on certificates: bounds derived with NumPy alone, by code of its own.

A bug in the code that derives a bound would also be in a test that uses this code. So the checker
shares nothing with it: it imports neither Keras nor `lipzoo`, reads the weights itself, has the
architectures written down a second time, and encloses the norms of the operators in another way.

    intervals, singular -> convolutions -> operators -> layers -> network -> architectures -> check
"""

from lipzoo_catalogue.checker.check import check_certificate
from lipzoo_catalogue.checker.report import CONFIRMED, NOT_CONFIRMED, REFUTED, Finding, Report

__all__ = ["CONFIRMED", "NOT_CONFIRMED", "REFUTED", "Finding", "Report", "check_certificate"]
