"""The tables of `studies.optimizers`."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("optimizers.json")


def optimizers_table(path: Path = RESULTS) -> str:
    """What every optimizer reaches, what its steps cost, and the length of the trainings."""
    results = json.loads(path.read_text(encoding="utf-8"))
    costs = {(row["network"], row["optimizer"]): row["ratio"] for row in results["steps"]}
    rows, radii = [], []
    for row in results["rows"]:
        radii = list(row["certified"])
        shares = [row["clean"], *row["certified"].values()]
        cost = costs[row["network"], row["optimizer"]]
        rows.append(
            [
                row["network"],
                row["optimizer"],
                f"{row['learning_rate']:g}",
                *map(_interval, shares),
                f"{cost:.2f} ×",
            ]
        )
    header = ["operators", "optimizer", "learning rate", "clean"]
    shown = table([*header, *(f"radius {radius}" for radius in radii), "a step / Adam's"], rows)
    epochs, images, seeds = results["epochs"], results["examples"], results["seeds"]
    size = results["batch_size"]
    return f"{shown}\n{epochs} epochs of {images:,} images, batch size {size}, {seeds} seeds.\n"


def _interval(share):
    return f"{100 * share['mean']:.1f} ± {100 * share['half_width']:.1f}"
