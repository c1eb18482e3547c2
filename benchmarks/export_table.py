"""The table of `benchmarks.export` for the README."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("export.json")


def export_table() -> str:
    """Exported networks beside plain ones in ONNX Runtime, at every batch size."""
    results = json.loads(RESULTS.read_text())
    rows = []
    for name, model in results["models"].items():
        for place, (batch_size, row) in enumerate(model["batch_sizes"].items()):
            times = (f"{1000 * row[f'{key}_seconds']:.3g}" for key in ("lipzoo", "plain"))
            ratio = f"{row['ratio']:.2f} ×"
            rows.append(["" if place else f"`{name}`", batch_size, *times, ratio])
    version, threads = results["machine"]["onnxruntime"], results["threads"]
    header = [f"ONNX Runtime {version}, threads: {threads}", "batch size", "exported, ms"]
    return table([*header, "plain network, ms", "exported / plain"], rows)
