"""The table and the sentence of `studies.engines` for the page on large data."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("engines.json")
_NAMES = {"parquet": "Parquet", "npz": ".npz", "csv": ".csv"}


def engines_table() -> str:
    """What an engine costs, and joining parts, beside calls without one."""
    results = json.loads(RESULTS.read_text())
    rows: list[list[str]] = []
    # What was not measured is no row.
    if through := results.get("throughput"):
        least, most = min(through["ratios"]), max(through["ratios"])
        rows.append(
            [
                f"two actors of Ray Data, {through['rows']:,} images",
                "throughput of two plain processes",
                f"{through['ratio']:.2f} × ({least:.2f} to {most:.2f})",
            ]
        )
    if one := results.get("in_one_process"):
        whole = "processor time of one `lipzoo.certify`"
        batches = f"batches of {one['batch']:,}"
        rows += [
            [f"`datasets.map`, {batches}", whole, f"{one['datasets_to_certify']:.2f} ×"],
            [f"a loop over a certifier, {batches}", whole, f"{one['loop_to_certify']:.2f} ×"],
            [
                "loading the model in a worker",
                "processor time of `lipzoo.load`",
                f"{one['load_to_load']:.2f} ×",
            ],
        ]
    parquet = results["parquet"]
    rows.append(
        [
            f"`lipzoo certify` of {parquet['rows']:,} images in Parquet",
            "",
            f"{parquet['peak_megabytes']:,} MB at most",
        ]
    )
    join = results["join"]
    for name, way in join["ways"].items():
        before, _, after = name.partition(" to ")
        rows.append(
            [
                f"`lipzoo join` of {join['parts']} parts of {join['rows']:,} examples, "
                f"{_NAMES[before]} to {_NAMES[after]}",
                "",
                f"{way['processor_seconds']:.1f} s, by the clock {way['seconds']:.1f} s; "
                f"{way['peak_megabytes']} MB",
            ]
        )
    return table(["what", "beside", "measured"], rows)
