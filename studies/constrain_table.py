"""The table of `studies.constrain` for its page."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent, format_up
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("constrain.json")
_LABELS = {
    "original": "as trained",
    "constrained, scale": 'constrained, `method="scale"`',
    "constrained, orthogonal": "constrained",
    "fine-tuned": "constrained and fine-tuned",
    "GradFlowNet": "a GradFlowNet instead",
}


def constrain_table() -> str:
    """Bound, clean and certified accuracy of each network, and the time that it was trained."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = []
    for name, values in found["networks"].items():
        seconds = found["seconds"].get(name)
        cells = [_LABELS[name], "" if seconds is None else f"{seconds:.0f} s"]
        cells += [format_up(values["bound"], 4), format_percent(values["clean"])]
        rows.append([*cells, *map(format_percent, values["certified"].values())])
    radii = next(iter(found["networks"].values()))["certified"]
    header = ["network", "trained for", "proven bound", "clean %"]
    return table([*header, *(f"certified % at ε = {radius}" for radius in radii)], rows)
