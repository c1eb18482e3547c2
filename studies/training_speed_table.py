"""The table of `studies.training_speed`."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("training_speed.json")


def training_speed_table(path: Path = RESULTS) -> str:
    """The two recipes beside each other: epochs, a step's cost, accuracies, and the whole time."""
    results = json.loads(path.read_text(encoding="utf-8"))
    steps, first, faster = results["steps"], results["flagship"], results["faster"]
    rows = [
        ["the flagship's: Adam, float32", str(first["epochs"]), "1.00 ×", *_shares(first), "1"],
        [
            "StiefelMuon, half rank, bfloat16",
            str(faster["epochs"]),
            f"{steps['faster']['ratio']:.2f} ×",
            *_shares(faster),
            f"1/{results['times_as_fast']:.0f}",
        ],
        [
            "the same in float32",
            "",
            f"{steps['faster, float32']['ratio']:.2f} ×",
            *[""] * (1 + len(first["certified"])),
            "",
        ],
    ]
    radii = [f"radius {radius}" for radius in first["certified"]]
    return table(["recipe", "epochs", "a step", "clean", *radii, "time"], rows)


def _shares(row: dict) -> list[str]:
    return [f"{100 * share:.1f}" for share in (row["clean"], *row["certified"].values())]
