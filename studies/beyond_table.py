"""The table of `studies.beyond` for the README."""

import json
from pathlib import Path

from lipzoo_catalogue.comparison import Comparison
from lipzoo_catalogue.formatting import format_percent
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("beyond.json")


def beyond_table() -> str:
    """Every method on every data set: clean, certified and attacked accuracy at three radii."""
    rows = []
    for name, values in json.loads(RESULTS.read_text(encoding="utf-8"))["models"].items():
        comparison = Comparison.from_dict(values, RESULTS)
        radii = ", ".join(f"{radius:g}" for radius in comparison.radii)
        data, units = name.removeprefix("gradflow-"), f"radii {radii}, {comparison.units}"
        if comparison.unseen:
            label = f"{data}, the {comparison.unseen:,} test examples not seen before; {units}"
            rows += _rows(label, comparison.of_unseen().methods)
            data = f"{data}, all test examples"
        rows += _rows(f"{data}; {units}", comparison.methods)
    header = ["data", "method", "clean %", "certified %", "left by the attacks, %"]
    return table(header, rows)


def _rows(label, methods):
    """The rows of some methods, the first one with a label."""
    for method in methods:
        cells = [label, method.name, format_percent(method.clean)]
        for shares in (method.certified, method.attacked):
            cells.append("none" if shares is None else " / ".join(map(format_percent, shares)))
        yield cells
        label = ""
