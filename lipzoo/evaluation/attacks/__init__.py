"""Attacks by their names: lipzoo's own, those of foolbox, and those of ART."""

from lipzoo.evaluation.attacks.art_attacks import AutoProjectedGradient, Square
from lipzoo.evaluation.attacks.base import Attack, Target
from lipzoo.evaluation.attacks.foolbox_attacks import (
    Boundary,
    CarliniWagner,
    DeepFool,
    FoolboxProjectedGradient,
)
from lipzoo.evaluation.attacks.gradient_ascent import ProjectedGradient
from lipzoo_catalogue.attack_names import check_attack

__all__ = [
    "ATTACKS",
    "Attack",
    "AutoProjectedGradient",
    "Boundary",
    "CarliniWagner",
    "DeepFool",
    "FoolboxProjectedGradient",
    "ProjectedGradient",
    "Square",
    "Target",
    "resolve",
]

ATTACKS = {
    kind.name: kind
    for kind in (
        ProjectedGradient,
        FoolboxProjectedGradient,
        DeepFool,
        CarliniWagner,
        Boundary,
        AutoProjectedGradient,
        Square,
    )
}


def resolve(attacks) -> tuple[Attack, ...]:
    """Attacks from names, with their default settings, and from `Attack`s as they are.

    Raises:
        ValueError: for an unknown name, or none at all.
        TypeError: for anything else.

    Example:

    >>> [str(attack) for attack in resolve(["deepfool", ProjectedGradient(steps=20)])]
    ['deepfool (50 steps)', 'pgd (20 steps, 5 runs)']
    """
    if isinstance(attacks, str | Attack) or not hasattr(attacks, "__iter__"):
        attacks = [attacks]
    wanted = list(attacks)
    if not wanted:
        raise ValueError(f"Expected at least one attack. Received: attacks={attacks!r}")
    return tuple(_resolved(attack) for attack in wanted)


def _resolved(attack):
    if isinstance(attack, Attack):
        return attack
    if not isinstance(attack, str):
        raise TypeError(
            "Expected the name of an attack, or a lipzoo.evaluation.attacks.Attack. "
            f"Received: {attack!r}"
        )
    check_attack(attack)
    return ATTACKS[attack]()
