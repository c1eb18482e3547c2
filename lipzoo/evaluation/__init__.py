"""Attacks that certificates have to withstand, and figures of both."""

from lipzoo.evaluation.attack import AttackResult, pgd_attack

__all__ = ["AttackResult", "pgd_attack"]
