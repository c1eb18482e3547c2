"""The tables of `studies.stability` for the README and docs/speed.md."""

import json
from pathlib import Path

import numpy as np

from lipzoo_catalogue.markdown import table
from studies.stability_networks import KINDS, NETWORKS, WIDTHS, layer_bytes

RESULTS = Path(__file__).with_name("stability.json")


def overhead_table() -> str:
    """The training step with each method of the constraint against one without constraint."""
    rows = _results()["overhead"]
    batch_sizes = sorted({row["batch_size"] for row in rows})
    ratios = {
        (row["network"], row["method"], row["batch_size"]): f"{row['ratio']:.2f} ×" for row in rows
    }
    pairs = dict.fromkeys((network, method) for network, method, _ in ratios)
    lines = [
        [network, f"`{method}`", *(ratios[network, method, size] for size in batch_sizes)]
        for network, method in pairs
    ]
    return table(["network", "method", *(f"batch {size:,}" for size in batch_sizes)], lines)


def growth_table() -> str:
    """Training step and inference against a ResNet, and how they grow with depth."""
    rows = _depth_rows()
    deepest, shallowest = (find(row["depth"] for row in rows) for find in (max, min))
    lines = []
    for kind in KINDS:
        for batch_size in sorted({row["batch_size"] for row in rows}):
            for name in NETWORKS:
                own = [
                    row
                    for row in rows
                    if (row["kind"], row["batch_size"], row["network"]) == (kind, batch_size, name)
                ]
                step, inference = (
                    [row for row in own if row["work"] == work]
                    for work in ("training step", "inference")
                )
                last = step[-1]
                lines.append(
                    [
                        kind,
                        str(batch_size),
                        name,
                        _shown(1000 * last["seconds"]),
                        f"{last['ratio_to_ResNet']:.2f} ×",
                        f"{inference[-1]['ratio_to_ResNet']:.2f} ×",
                        f"{last['ratio_to_bare_operators']:.2f} ×",
                        f"{last[f'ratio_to_depth_{shallowest}']:.2f} ×",
                        f"{exponent(step):.2f}",
                    ]
                )
    header = ["layers", "batch", "network", f"step of {deepest} layers, ms", "step / ResNet's"]
    header += ["inference / ResNet's", "step / bare operators'"]
    header += [f"{deepest} layers / {shallowest}", "exponent"]
    return table(header, lines)


def floor_table() -> str:
    """Arithmetic and memory traffic of the bare operators, and how fast this machine does them."""
    rows = [
        row
        for row in _depth_rows()
        if (row["network"], row["work"]) == ("bare operators", "training step")
    ]
    deepest = max(row["depth"] for row in rows)
    lines = []
    for row in rows:
        if row["depth"] == deepest:
            moved = deepest * layer_bytes(row["kind"], WIDTHS[row["kind"]], row["batch_size"])
            rates = [amount / row["seconds"] / 1e9 for amount in (row["flops"], moved)]
            lines.append(
                [
                    row["kind"],
                    str(row["batch_size"]),
                    *map(_shown, (row["flops"] / 1e9, moved / 1e9, 1000 * row["seconds"])),
                    *map(_shown, rates),
                ]
            )
    header = ["layers", "batch", "GFLOP", "GB", f"step of {deepest} layers, ms"]
    return table([*header, "GFLOP/s", "GB/s"], lines)


def exponent(rows) -> float:
    """The p of a least-squares fit of seconds = c · depthᵖ."""
    depths, seconds = ([row[key] for row in rows] for key in ("depth", "seconds"))
    return float(np.polyfit(np.log(depths), np.log(seconds), 1)[0])


def memory_table() -> str:
    """Parameters and peak memory of a training step over depth."""
    rows = _results()["memory"]
    depths = sorted({row["depth"] for row in rows})
    found = {(row["kind"], row["network"], row["depth"]): row for row in rows}
    lines = [
        [
            kind,
            name,
            *(f"{found[kind, name, depth]['mebibytes']:,.0f}" for depth in depths),
            f"{found[kind, name, depths[-1]]['parameters']:,}",
        ]
        for kind in KINDS
        for name in NETWORKS
    ]
    header = ["layers", "network", *(f"{depth} layers, MiB" for depth in depths)]
    return table([*header, f"parameters of {depths[-1]}"], lines)


def _shown(value):
    """Three significant digits, without an exponent."""
    return f"{float(f'{value:.3g}'):,g}"


def _depth_rows():
    results = _results()
    return [row for kind in KINDS for row in results[kind]]


def _results():
    return json.loads(RESULTS.read_text())
