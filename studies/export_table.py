"""The tables of `studies.export` and `studies.int8` for the README."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent, format_size, format_up
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("export.json")
INT8 = Path(__file__).with_name("int8.json")


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


def int8_table() -> str:
    """Exports with weights in int8 beside float32, from `studies.int8`."""
    results = json.loads(INT8.read_text())
    rows = []
    for name, model in results["models"].items():
        for place, key in enumerate(("float32", "int8")):
            row = model[key]
            certified = [format_percent(share) for share in row["certified"].values()]
            known = ["", ""] if place else [f"`{name}`", f"{model['examples']:,}"]
            bound = format_up(row["lipschitz_bound"], 6)
            size = format_size(row["bytes"])
            rows.append([*known, key, size, bound, format_percent(row["clean"]), *certified])
    radii = next(iter(results["models"].values()))["int8"]["certified"]
    header = ["model", "test examples", "weights", "file", "proven bound", "clean %"]
    return table([*header, *(f"certified % at {radius}" for radius in radii)], rows)


def int8_search() -> str:
    """The search for violations of an int8 certificate, in a sentence."""
    found = json.loads(INT8.read_text())["search"]
    share = found["radius_share"]
    return (
        f"A search inside the radii of `{found['model']}` in int8, on all {found['examples']:,} of "
        f"scikit-learn's digits ({found['restarts']} starts of {found['steps']} steps of gradient "
        f"ascent to {share['inside']:g} of the radius, each end put to ONNX Runtime at every level "
        f"of optimisation), changed {found['changed']['inside']} predictions; the same search "
        f"to {share['beyond']:g} times the radius changed {found['changed']['beyond']:,}.\n"
    )
