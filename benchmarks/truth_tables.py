"""The tables about whether the certificates are true, from the benchmarks' files."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table

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
