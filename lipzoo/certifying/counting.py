"""Counts of what a certifier answered, wherever its processes were."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lipzoo.certifying.columns import ANSWERS
from lipzoo_catalogue.certified.certificate_summary import CertificateSummary
from lipzoo_catalogue.certified.common_settings import check_settings
from lipzoo_catalogue.certified.part_digest import digest_of
from lipzoo_catalogue.model_config import ModelConfig


@dataclass(frozen=True)
class Described:
    """What a certifier says of its answers.

    Args:
        settings, fingerprint, epsilons, y: see `Certifier`.
        config: the model's configuration.
    """

    settings: Mapping[str, Any]
    fingerprint: int
    epsilons: tuple[float, ...]
    config: ModelConfig
    y: str


def counted(
    certifier: Described,
    parts: Iterable[Mapping[str, Any] | CertificateSummary],
    part: str | None,
) -> CertificateSummary:
    """Counts parts one after the other; see `Certifier.summary`."""
    found: CertificateSummary | None = None
    empty: CertificateSummary | None = None
    for one in parts:
        if not isinstance(one, CertificateSummary):
            one = _of_columns(certifier, one)
        check_settings(certifier.settings, one.settings)
        if not (one.examples or one.parts):
            # Blocks without rows may come often, and may lack the labels.
            empty = one
            continue
        found = one if found is None else found + one
    found = empty if found is None else found
    if found is None:
        raise ValueError("Expected at least one part. Received: none")
    return found if part is None else dataclasses.replace(found, parts=frozenset([part]))


def _of_columns(certifier: Described, columns: Mapping[str, Any]) -> CertificateSummary:
    read = {str(name): np.asarray(columns[name]) for name in columns}
    missing = [name for name in ANSWERS if name not in read]
    if missing:
        raise ValueError(
            f"Expected columns as a certifier returns them. Received: {sorted(read)}, without "
            f"{', '.join(missing)}"
        )
    others = set(read["fingerprint"].tolist()) - {certifier.fingerprint}
    if others:
        raise ValueError(
            "Expected a part that was certified with the weights and settings of this certifier, "
            f"fingerprint {certifier.fingerprint}. Received: fingerprint {others.pop()}"
        )
    kept = {name: read[name] for name in ("prediction", "radius", "rival")}
    if certifier.y in read:
        kept["labels"] = read[certifier.y]
    classes = certifier.config.num_classes
    assert classes is not None
    return CertificateSummary.of(
        kept,
        certifier.settings,
        certifier.epsilons,
        classes=max(classes, 2),
        class_names=tuple(map(str, certifier.config.class_names)),
        part=digest_of(read) if len(read["radius"]) else None,
    )
