"""The table of docs/arithmetic.md, from `studies.arithmetic`."""

import json
from pathlib import Path

from lipzoo import activations
from lipzoo.rounding import ORDERS
from lipzoo_catalogue.markdown import table
from studies.arithmetic_probes import ELEMENTARY_UNITS

HERE = Path(__file__).parent


def arithmetic_table() -> str:
    """One row per assumption: what was found on each backend, and what the proof does about it."""
    known = json.loads((HERE / "arithmetic.json").read_text())
    rows = []

    def row(assumption, cell, answer):
        rows.append([assumption, *map(cell, known.values()), answer])

    first = next(iter(known.values()))
    row("float64 layers compute in float64", _lost, "kept, counted or refused, as named")
    for name in first["activations"]:
        relative, absolute = activations.get(name).error_units
        terms = [f"{relative:g} |z|"] * bool(relative) + [f"{absolute:g}"] * bool(absolute)
        row(
            f"`{name}` in float32 errs by at most u ({' + '.join(terms)})",
            lambda entry, name=name: f"{100 * entry['activations'][name]:.0f} % of that",
            _verdict(entry["activations"][name] <= 1 for entry in known.values()),
        )
    for name, units in ELEMENTARY_UNITS.items():
        row(
            f"`{name}` in float32 errs by at most {units:g} u, relative",
            lambda entry, name=name: f"{entry['elementary_units'][name]:.2f} u",
            _verdict(entry["elementary_units"][name] <= units for entry in known.values()),
        )
    row(
        f"at most {ORDERS} orders of summation among the outputs of a layer",
        lambda entry: f"{entry['orders']} found",
        _verdict(entry["orders"] <= ORDERS for entry in known.values()),
    )
    row(
        "a sum may depend on anything else",
        lambda entry: "on " + (", ".join(entry["a_sum_depends_on"]) or "nothing found"),
        "counted",
    )
    row(
        "single products and sums are rounded once, in float32 (no TF32)",
        lambda entry: "yes" if entry["products_round_once"] else "no",
        _verdict(entry["products_round_once"] for entry in known.values()),
    )
    row(
        "nothing underflows",
        lambda entry: "subnormal numbers are " + ("kept" if entry["keeps_denormals"] else "0"),
        "assumed",
    )
    for kind in first["half_precision_sums"]:
        row(
            f"`{kind}` of half precision may add up in half precision",
            lambda entry, kind=kind: ", ".join(
                f"{dtype} in {found}" for dtype, found in entry["half_precision_sums"][kind].items()
            ),
            "counted",
        )
    header = ["what the proof says"]
    header += [
        ", ".join(f"{package} {version}" for package, version in entry["versions"].items())
        for entry in known.values()
    ]
    return table([*header, "so it is"], rows)


def _lost(entry) -> str:
    kept = sum(answer == "kept" for answer in entry["float64"].values())
    cells = [f"{kept} of {len(entry['float64'])} functions"]
    for answer in ("counted", "refused", "believed"):
        names = [f"`{name}`" for name, found in entry["float64"].items() if found == answer]
        if names:
            whole = len(names) == len(entry["float64"])
            cells.append(f"{answer}: {'every float64 model' if whole else ', '.join(names)}")
    return "; ".join(cells)


def _verdict(kept) -> str:
    return "kept" if all(kept) else "not kept"
