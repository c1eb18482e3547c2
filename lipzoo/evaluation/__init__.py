"""Attacks that certificates have to withstand, and instruments that look inside a model."""

from lipzoo.evaluation.audit import Audit, AuditContradiction, audit
from lipzoo.evaluation.diagnosis import Diagnosis, Finding, diagnose
from lipzoo.evaluation.edge_attack import EdgeAttack, edge_attack
from lipzoo.evaluation.evaluate_robustness import evaluate, evaluate_robustness
from lipzoo.evaluation.jacobians import JacobianNorms, jacobian_norms
from lipzoo.evaluation.movement import Movement, worst_movement
from lipzoo.evaluation.pgd import AttackResult, pgd_attack
from lipzoo.evaluation.robustness import CertificateViolation, Robustness
from lipzoo.evaluation.sensitivity import SensitivityLogger
from lipzoo.evaluation.tightness import Tightness, tightness

__all__ = [
    "AttackResult",
    "Audit",
    "AuditContradiction",
    "CertificateViolation",
    "Diagnosis",
    "EdgeAttack",
    "Finding",
    "JacobianNorms",
    "Movement",
    "Robustness",
    "SensitivityLogger",
    "Tightness",
    "audit",
    "diagnose",
    "edge_attack",
    "evaluate",
    "evaluate_robustness",
    "jacobian_norms",
    "pgd_attack",
    "tightness",
    "worst_movement",
]
