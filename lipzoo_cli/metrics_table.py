"""Metrics of a model as a readable table."""

from collections.abc import Mapping
from typing import Any

from lipzoo_catalogue.task_names import RECONSTRUCTION
from lipzoo_catalogue.tasks import reconstruction

# Tables of metrics.json, and what they are called in print.
_TABLES = {
    "validation": "validation, float32",
    "test": "test, float32",
    "test_float64": "test, float64",
}


def format_metrics(metrics: Mapping[str, Any]) -> str:
    """Metrics as a readable table; radii count the rounding of the arithmetic that is named.

    Example:

    >>> table = {"examples": 10, "clean": 0.9, "certified": {"0.25": 0.8}}
    >>> print(format_metrics({"name": "tiny", "lipschitz_bound": 1.0, "test": table}))
    tiny: proven Lipschitz bound 1
                              test, float32
    examples                             10
    clean                           90.00 %
    certified 0.25                  80.00 %
    """
    lines = [f"{metrics['name']}: proven Lipschitz bound {metrics['lipschitz_bound']:.9g}"]
    if metrics.get("task") == RECONSTRUCTION:
        known = reconstruction.read_metrics({"format_version": 1, **metrics})
        return "\n".join([*lines, *reconstruction.plain_lines(known)])
    tables: dict[str, dict[str, Any]] = {}
    for key, label in _TABLES.items():
        if key in metrics:
            if "unseen" in metrics[key]:
                tables[f"{label}, unseen"] = metrics[key]["unseen"]
            tables[label] = metrics[key]
    lines.append(" " * 16 + "".join(f"{label:>23}" for label in tables))
    lines.append(f"{'examples':16}" + "".join(f"{t['examples']:>23,}" for t in tables.values()))
    rows = _share_rows(tables, "clean", "certified")
    for rate in ("sensitivity", "specificity"):
        parts = {label: table[rate] for label, table in tables.items() if rate in table}
        if parts:
            rows += _share_rows(parts, rate, rate)
    for label, shares in rows:
        lines.append(f"{label:16}" + "".join(f"{100 * share:>21.2f} %" for share in shares))
    seen = next((table["seen"] for table in tables.values() if "seen" in table), 0)
    if seen:
        lines.append(f"{seen:,} of the test examples also stand in train or validation")
    return "\n".join(lines)


def _share_rows(
    tables: dict[str, dict[str, Any]], clean: str, certified: str
) -> list[tuple[str, list[float]]]:
    """The clean row of some tables, and one row for each radius."""
    rows = [(clean, [table["clean"] for table in tables.values()])]
    for radius in next(iter(tables.values()))["certified"]:
        shares = [table["certified"][radius] for table in tables.values()]
        rows.append((f"{certified} {radius}", shares))
    return rows
