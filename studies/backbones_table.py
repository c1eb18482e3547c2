"""The table of `studies.backbones` for its page."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("backbones.json")


def backbones_table() -> str:
    """What of the networks of keras.applications has a bound, families of one answer together."""
    families: dict[tuple, list[str]] = {}
    for row in json.loads(RESULTS.read_text())["networks"]:
        bound = "yes"
        if row["refused"]:
            counts = (f"{count} `{kind}`" for kind, count in row["refused"].items())
            bound = "no: " + ", ".join(counts if len(row["refused"]) > 1 else _kinds(row))
        on_box = bool(row["refused"]) and not row.get("refused_for_bytes", row["refused"])
        if on_box:
            bound = "for inputs in a box: " + ", ".join(_kinds(row))
        rounding = "" if row["refused"] and not on_box else "yes"
        if row["statistics"] and not row["refused"]:
            rounding = f"no: how {', '.join(f'`{kind}`' for kind in row['statistics'])} rounds"
        families.setdefault((bound, rounding), []).append(row["name"])
    rows = [
        [", ".join(f"`{name}`" for name in names), bound, rounding]
        for (bound, rounding), names in families.items()
    ]
    return table(["networks", "bound", "certificates that count rounding"], rows)


def bounds_for_bytes() -> str:
    """The bound of the smallest networks with squeeze-and-excitation, on images of bytes."""
    rows = json.loads(RESULTS.read_text())["networks"]
    known = [(row["name"], row["bound_for_bytes"]) for row in rows if "bound_for_bytes" in row]
    return table(
        ["network, random weights", "bound for images of bytes"],
        [[f"`{name}`", f"{format_up(value, 2)}"] for name, value in known],
    )


def _kinds(row) -> list[str]:
    return [f"`{kind}` of two tensors" for kind in row["refused"]]
