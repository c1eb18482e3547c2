"""The table of `studies.attacks` for the README."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("attacks.json")


def attacks_table() -> str:
    """What is certified of every model and what the attacks left standing, on the same images."""
    results = json.loads(RESULTS.read_text())
    models = results["models"]
    radii = list(next(iter(models.values()))["attacked"])
    rows = []
    for name, row in models.items():
        known = [f"`{name}`", f"{row['parameters']:,}", format_percent(row["clean_on_all"])]
        known.append(format_percent(row["clean"]))
        for label, key in (("under attack", "attacked"), ("certified", "certified")):
            if any(row[key].values()):
                shares = (format_percent(row[key][radius]) for radius in radii)
                rows.append([*known, label, *shares])
                known = [""] * len(known)
    whole, sample = (f"{row[key]:,} test images" for key in ("of", "examples"))
    header = ["model", "parameters", f"clean, % of {whole}", f"clean, % of {sample}", "of these"]
    return table([*header, *(f"ε = {radius}" for radius in radii)], rows)
