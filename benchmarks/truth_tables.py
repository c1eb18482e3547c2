"""The tables about whether the certificates are true, from the files of two benchmarks."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table
from lipzoo_catalogue.numbers import format_up

HERE = Path(__file__).parent


def rounding_table() -> str:
    """Radii attacked at their edge, from `benchmarks.rounding`."""
    rows = []
    for row in json.loads((HERE / "rounding.json").read_text())["rows"]:
        honest, naive = row["radii"], row["naive_radii"]
        network = row["network"]
        rows.append(
            [
                f"`{network}`" if "-" in network else network,
                row["dtype"],
                f"{honest['positive']} of {row['examples']}",
                f"{honest['tries']:,}",
                str(honest["violated"]) if honest["tries"] else "nothing certified",
                f"{naive['violated']} of {naive['positive']}",
            ]
        )
    header = ["network", "arithmetic", "radii above 0", "tries", "violated"]
    return table([*header, "violated, rounding left out"], rows)


def tightness_table() -> str:
    """Proven bounds and what was found below them, from `benchmarks.tightness`."""
    rows = [
        [
            f"`{row['name']}`",
            format_up(row["bound"], 6),
            f"{row['mean_local']:.4g}",
            f"{row['largest_local']:.4g}",
            f"{row['found']:.4g}",
            f"{100 * row['share']:.3g}",
            f"{row['examples']:,}",
        ]
        for row in json.loads((HERE / "tightness.json").read_text())["models"]
    ]
    header = ["model", "proven bound", "mean Jacobian norm", "largest", "largest ratio found"]
    return table([*header, "share of the bound, %", "test examples"], rows)
