"""The tables about ONNX files: what is read of them, and what was measured of some."""

import json
from pathlib import Path

from lipzoo.importing.operators import OPERATORS
from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("onnx_networks.json")


def operators_table() -> str:
    """Operators of ONNX that `lipzoo.from_onnx` reads, those of one remark together."""
    together: dict[str, list[str]] = {}
    for name, operator in OPERATORS.items():
        together.setdefault(operator.reads, []).append(f"`{name}`")
    rows = [[", ".join(names), reads] for reads, names in together.items()]
    return table(["operators", "what of them is read"], rows)


def networks_table() -> str:
    """Networks that others made: agreement, bound, Jacobians and radii."""
    networks = json.loads(RESULTS.read_text())["networks"]
    rows = [
        [
            f"`{row['name']}`",
            ", ".join(f"{count} {name}" for name, count in row["operators"].items()),
            f"{row['parameters']:,}",
            f"{row['difference']:.1g}",
            format_up(row["bound"], 4),
            f"{row['largest_local']:.4g}",
            f"{row['median_radius_exact']:.2g}",
            f"{row['median_radius']:.2g}",
            f"{row['seconds_to_read'] + row['seconds_to_bound']:.1f}",
        ]
        for row in networks
    ]
    examples = networks[0]["examples"]
    header = ["file", "operators", "parameters", "difference from ONNX Runtime / largest output"]
    header += ["proven bound", f"largest Jacobian norm at {examples} random inputs"]
    header += ["median radius there, exact arithmetic", "as computed in float64, inputs too"]
    return table([*header, "seconds to read and bound"], rows)
