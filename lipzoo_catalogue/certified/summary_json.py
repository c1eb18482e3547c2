"""Counts of certified examples as JSON, and back."""

import json
from typing import TYPE_CHECKING, Any

from lipzoo_catalogue.certified.common_settings import check_epsilons
from lipzoo_catalogue.certified.counts import check_counts, read_counts
from lipzoo_catalogue.certified.radius_histogram import RadiusHistogram

if TYPE_CHECKING:
    from lipzoo_catalogue.certified.certificate_summary import CertificateSummary

FORMAT_VERSION = 1


def write_summary(summary: "CertificateSummary") -> str:
    """The text that `read_summary` reads."""
    values = {
        "format_version": FORMAT_VERSION,
        "settings": dict(summary.settings),
        "epsilons": list(summary.epsilons),
        "bound": summary.bound,
        "classes": summary.classes,
        "class_names": list(summary.class_names),
        "labelled": summary.labelled,
        "examples": summary.examples,
        "total": summary.total.tolist(),
        "correct": summary.correct.tolist(),
        "above": summary.above.tolist(),
        "covered": summary.covered.tolist(),
        "radii": summary.radii.to_json(),
        "parts": sorted(summary.parts),
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
