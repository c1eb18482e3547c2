"""The table of `studies.semidefinite` for its page."""

import json
from pathlib import Path
from statistics import median

from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("semidefinite.json")


def semidefinite_table() -> str:
    """Bounds by ellipsoids over bounds by products, and what they take."""
    found = json.loads(RESULTS.read_text())
    groups: dict[str, list] = {}
    for row in found["perceptrons"]:
        name = f"random, {row['depth']} hidden layers of {row['width']}"
        groups.setdefault(name, []).append(row)
    for row in found["networks"]:
        groups[f"`{row['name']}`"] = [row]
    rows = [
        [
            name,
            _ratio(group, "semidefinite", "product"),
            _ratio(group, "semidefinite", "eclipse_fast"),
            _ratio(group, "product", "largest_local", 3),
            _ratio(group, "semidefinite", "largest_local", 3),
            f"{median(row['seconds_semidefinite'] for row in group):.2f}",
            _seconds(group, "seconds_eclipse_fast"),
        ]
        for name, group in groups.items()
    ]
    header = ["network", "ellipsoids / product", "ellipsoids / ECLipsE-Fast of eclipse-nn"]
    header += ["product / largest Jacobian found", "ellipsoids / largest Jacobian found"]
    return table([*header, "processor seconds", "of eclipse-nn"], rows)


def _ratio(group, above: str, below: str, digits: int = 4) -> str:
    known = [row[above] / row[below] for row in group if below in row]
    return f"{median(known):.{digits}g}" if known else ""


def _seconds(group, key: str) -> str:
    known = [row[key] for row in group if key in row]
    return f"{median(known):.2f}" if known else ""
