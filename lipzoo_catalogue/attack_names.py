"""Names of the attacks of `lipzoo.evaluation.attacks`, known without Keras."""

import difflib

ATTACK_NAMES = (
    "pgd",
    "foolbox-pgd",
    "deepfool",
    "carlini-wagner",
    "boundary",
    "auto-pgd",
    "square",
)


def check_attack(name: str) -> None:
    """Raises `ValueError`, with the nearest name, unless an attack of this name is known."""
    if name in ATTACK_NAMES:
        return
    near = difflib.get_close_matches(name, ATTACK_NAMES, n=1, cutoff=0.5)
    advice = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"Expected attacks among {', '.join(ATTACK_NAMES)}. Received: {name!r}.{advice}"
    )
