"""The table of `studies.local` for its page."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_down, format_percent
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("local.json")


def local_table() -> str:
    """Median radii of three proofs, and what they take."""
    rows = []
    for row in json.loads(RESULTS.read_text())["networks"]:
        medians = [
            format_down(row[f"{key}_median"], 3) for key in ("product", "semidefinite", "local")
        ]
        seconds = 1000 * row["local_seconds"] / row["examples"]
        rows.append(
            [
                row["name"],
                f"{format_percent(row['accuracy'])} %",
                *medians,
                f"{row['ratio']:.2f}",
                f"{seconds:.0f}",
            ]
        )
    header = ["network", "accuracy", "product of norms", "ellipsoids", "within each ball"]
    return table([*header, "median of the ratios", "processor milliseconds an example"], rows)
