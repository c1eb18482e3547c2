"""Certifying data sets of any size: one callable for engines that have many processes."""

from lipzoo.certifying.certifier import Certifier

__all__ = ["Certifier"]
