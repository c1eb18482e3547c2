"""The tables about whether the certificates are true, from the files of two studies."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.markdown import table

HERE = Path(__file__).parent


def rounding_table() -> str:
    """Radii attacked at their edge, from `studies.rounding`."""
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
    """Proven bounds and what was found below them, from `studies.tightness`."""
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


def other_norms_table() -> str:
    """Radii in three norms and the nearest inputs found, from `studies.other_norms`."""
    rows = []
    for name, row in json.loads((HERE / "other_norms.json").read_text())["models"].items():
        cells = [f"`{name}`", f"{row['input_size']:,}"]
        for norm in ("l2", "l1", "linf"):
            known = row["norms"][norm]
            low, middle, high = known["ratio"].values()
            cells.append(f"{known['median_radius']:.3g}")
            cells.append(f"{middle:.1f} ({low:.1f} to {high:.1f})")
            if norm != "l2":
                cells.append(f"{known['linear_price']:.1f}")
        rows.append(cells)
    header = ["model", "d", "l2 radius", "found / radius"]
    for norm in ("l1", "l-infinity"):
        header += [f"{norm} radius", "found / radius", "if linear"]
    return table(header, rows)
