"""The table of `studies.peers` for the README."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent, format_up
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("peers.json")


def peers_table(results: Path = RESULTS) -> str:
    """Every library on every shape: speed, memory, true norms, accuracy."""
    found = json.loads(results.read_text(encoding="utf-8"))
    networks = found["networks"]
    rows, radii = [], []
    for network, libraries in networks.items():
        for place, row in enumerate(libraries.values()):
            radii = list(row["certified"])
            rows.append(
                [
                    "" if place else network,
                    ", ".join(f"{key} {value}" for key, value in row["software"].items()),
                    f"{row['training_images_per_second']:,.0f}",
                    f"{row['inference_images_per_second']:,.0f}",
                    f"{row['peak_bytes'] / 1e6:,.0f}",
                    format_up(max(row["norms"]), 7),
                    format_up(row["product_of_norms"], 7),
                    format_percent(row["clean"]),
                    *(format_percent(row["certified"][radius]) for radius in radii),
                    format_percent(row["claimed_certified"]["0.25"]),
                ]
            )
    seconds = found["settings"]["budget_seconds"]
    header = [f"shape, trained for {seconds:g} s", "library"]
    header += ["training, images/s", "inference, images/s", "peak memory, MB"]
    header += ["largest true norm", "product of true norms", "clean %"]
    header += [f"certified % at {radius}" for radius in radii]
    return table([*header, "as claimed, at 0.25"], rows)
