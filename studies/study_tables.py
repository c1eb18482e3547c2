"""The README's tables of the studies of small classifiers."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent
from lipzoo_catalogue.markdown import table

HERE = Path(__file__).parent
# The radius at which the transfer table compares.
TRANSFER_RADIUS = "0.5"


def frontier_table() -> str:
    """Clean and certified accuracy by the loss's epsilon, from `studies.frontier`."""
    results = _read("frontier")
    radii = list(results["small"][0]["test"]["certified"])
    rows = [_frontier_row("small network", point, radii) for point in results["small"]]
    rows += [_frontier_row(f"`{n}`", point, radii) for n, point in results["shipped"].items()]
    return table(["", "loss's ε", "clean", *(f"radius {radius}" for radius in radii)], rows)


def _frontier_row(name, point, radii):
    test = point["test"]
    shares = [format_percent(test["certified"].get(radius)) for radius in radii]
    return [name, f"{point['epsilon']}", format_percent(test["clean"]), *shares]


def activations_table() -> str:
    """Certified accuracy by activation, from `studies.activations`."""
    results = _read("activations")
    reference = results["reference"]
    rows = []
    for name, row in results["networks"].items():
        chosen = f"{row['learning_rate']:g}"
        if row["gain"] != 1.0:
            chosen += f", gain {row['gain']:g}"
        less = row["certified_less_reference"]["0.5"]
        rows.append(
            [
                name,
                chosen,
                _interval(row["clean"]),
                *(_interval(share) for share in row["certified"].values()),
                "" if name == reference else _interval(less, sign="+"),
            ]
        )
    radii = list(next(iter(results["networks"].values()))["certified"])
    header = ["activation", "learning rate, gain", "clean", *(f"radius {r}" for r in radii)]
    return table([*header, f"less {reference}, radius 0.5"], rows)


def transfer_table() -> str:
    """Predicted and measured certified accuracy over the seeds, from `studies.transfer`."""
    rows = []
    for name, targets in _read("transfer")["networks"].items():
        if name.startswith("gradflow"):
            continue
        label = "small network" if name == "small" else name
        for target, entry in targets.items():
            shares = [entry["measured"]]
            shares += [entry["predicted"].get(key) for key in (*_PREDICTIONS, "floor", "fitted")]
            shown = [_interval(share[TRANSFER_RADIUS]) if share else "" for share in shares]
            rows.append([label, target, *shown])
            label = ""
    header = ["network", "target", "measured", *_PREDICTIONS, "floor", "fitted examples"]
    return table(header, rows)


def transfer_errors_table() -> str:
    """How far each predictor is off at each radius, by kind of target."""
    errors = _read("transfer")["mean_absolute_error"]
    rows = [
        [
            kind,
            *(" / ".join(map(format_percent, by[name].values())) for name in _PREDICTIONS),
        ]
        for kind, by in errors.items()
    ]
    return table(["target", *_PREDICTIONS], rows)


_PREDICTIONS = ("as on the source", "share above", "calibrated", "thresholded")


def _read(name):
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def _interval(share, sign=""):
    half = share.get("half_width")
    spread = "" if half is None else f" ± {100 * half:.1f}"
    return f"{100 * share['mean']:{sign}.1f}{spread}"
