"""The table of sets with a guaranteed coverage, from `studies.conformal`."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent
from lipzoo_catalogue.markdown import table

_RESULTS = Path(__file__).with_name("conformal.json")
_GUARANTEED = ("lipzoo", "one logit")


def conformal_table() -> str:
    """One row per model, radius and method."""
    results = json.loads(_RESULTS.read_text(encoding="utf-8"))
    rows = []
    for name, model in results["models"].items():
        label = f"`{name}`"
        for epsilon, methods in model["epsilons"].items():
            radius = epsilon
            for method, row in methods.items():
                rows.append(
                    [
                        label,
                        radius,
                        method,
                        format_percent(1 - results["alpha"]) if method in _GUARANTEED else "none",
                        f"{row['clean_size']:.2f}",
                        format_percent(row["clean_coverage"]),
                        f"{row['attacked_size']:.2f}",
                        format_percent(row["attacked_coverage"]),
                        format_percent(row["least_attacked_coverage"]),
                    ]
                )
                label = radius = ""
    header = ["model", "ε", "method", "guaranteed under attack %", "size", "coverage %"]
    header += ["size, attacked", "coverage, attacked %", "least of the splits %"]
    return table(header, rows)


def conformal_setting() -> str:
    """What the table was measured on, in a sentence."""
    results = json.loads(_RESULTS.read_text(encoding="utf-8"))
    model = next(iter(results["models"].values()))
    return (
        f"α = {results['alpha']:g}; {model['images']:,} pooled images, of which "
        f"{model['calibration']:,} calibrate and {model['test']:,} are tested, in "
        f"{results['splits']} splits; the beta-binomial distribution puts a coverage below "
        f"{format_percent(model['floor'])} % in 0.5 % of splits; an attack has "
        f"{results['steps']} steps; MAPIE {results['mapie']}.\n"
    )
