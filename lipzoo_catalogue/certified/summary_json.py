"""Counts of certified examples as JSON, and back."""

import json
from collections.abc import Mapping
from typing import Any

from lipzoo_catalogue.certified.common_settings import check_epsilons
from lipzoo_catalogue.certified.counts import check_counts, read_counts
from lipzoo_catalogue.certified.radius_histogram import RadiusHistogram

FORMAT_VERSION = 1


def write_summary(attributes: Mapping[str, Any], examples: int) -> str:
    """The text that `read_summary` reads.

    Args:
        attributes: those of a `CertificateSummary`.
        examples: their number, for who reads the text.
    """
    values = {
        "format_version": FORMAT_VERSION,
        "settings": dict(attributes["settings"]),
        "epsilons": list(attributes["epsilons"]),
        "bound": attributes["bound"],
        "classes": attributes["classes"],
        "class_names": list(attributes["class_names"]),
        "labelled": attributes["labelled"],
        "examples": examples,
        **{name: attributes[name].tolist() for name in ("total", "correct", "above", "covered")},
        "radii": attributes["radii"].to_json(),
        "parts": sorted(attributes["parts"]),
    }
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)


def read_summary(text: str) -> dict[str, Any]:
    """The attributes of a `CertificateSummary`, checked.

    Raises:
        ValueError: if the text is anything else than `write_summary` writes.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        if values["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format_version {values['format_version']}")
        settings, classes = dict(values["settings"]), int(values["classes"])
        epsilons = check_epsilons(values["epsilons"], str(settings.get("norm", "l2")))
        if list(epsilons) != values["epsilons"]:
            raise ValueError(f"epsilons {values['epsilons']}, which do not ascend")
        shapes = {
            "total": (classes,),
            "correct": (classes,),
            "above": (len(epsilons), classes),
            "covered": (len(epsilons),),
        }
        arrays = {name: read_counts(values[name], shapes[name], name) for name in shapes}
        radii = RadiusHistogram.from_json(values["radii"])
        check_counts(**arrays, radii=len(radii))
        return {
            "settings": settings,
            "epsilons": epsilons,
            "bound": values["bound"],
            "classes": classes,
            "class_names": tuple(values["class_names"]),
            "labelled": bool(values["labelled"]),
            "radii": radii,
            "parts": frozenset(values["parts"]),
            **arrays,
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"Expected a summary, as CertificateSummary.to_json writes it. Received: {error}"
        ) from None
