"""The table of `studies.regression` for its page."""

import json
import math
from pathlib import Path
from statistics import fmean

from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("regression.json")
_UNITS = {"diabetes": "points", "diamonds": "dollars"}


def regression_table() -> str:
    """Means over the folds; a proven movement is the largest of all folds."""
    found = json.loads(RESULTS.read_text())
    rows = []
    for name, study in found["tables"].items():
        for place, (method, folds) in enumerate(study["methods"].items()):
            rows.append(
                [
                    "" if place else f"{name}, {study['rows']:,} rows, {_UNITS[name]}",
                    method,
                    _mean(folds, "rmse"),
                    *(_largest(folds, f"movement_{radius}") for radius in found["radii"]),
                    *(_mean(folds, f"worst_rmse_{radius}") for radius in found["radii"]),
                    f"{max(fold['largest_gradient'] / fold['slope'] for fold in folds):.2f}",
                ]
            )
    header = ["table", "method", "error"]
    header += [f"moves by at most, r = {radius}" for radius in found["radii"]]
    header += [f"error at most, r = {radius}" for radius in found["radii"]]
    return table([*header, "largest gradient found / slope"], rows)


def _mean(folds, key: str) -> str:
    return _up(fmean(fold[key] for fold in folds))


def _largest(folds, key: str) -> str:
    return _up(max(fold[key] for fold in folds))


def _up(value: float) -> str:
    return format_up(value, 3) if value < 100 else f"{math.ceil(value):,}"
