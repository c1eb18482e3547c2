"""The table and the sentence of `studies.engines` for the page on large data."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("engines.json")
_NAMES = {"parquet": "Parquet", "npz": ".npz", "csv": ".csv"}


def engines_table() -> str:
    """What an engine costs, and joining parts, beside calls without one."""
    results = json.loads(RESULTS.read_text())
    one, through = results["in_one_process"], results["throughput"]
    rows = [
        [
            f"two actors of Ray Data, {through['rows']:,} images",
            "throughput of two plain processes",
            f"{through['ratio']:.2f} × ({min(through['ratios']):.2f} to "
            f"{max(through['ratios']):.2f})",
        ],
        [
            f"`datasets.map`, batches of {one['batch']:,}",
            "processor time of one `lipzoo.certify`",
            f"{one['datasets_to_certify']:.2f} ×",
        ],
        [
            f"a loop over a certifier, batches of {one['batch']:,}",
            "processor time of one `lipzoo.certify`",
            f"{one['loop_to_certify']:.2f} ×",
        ],
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
                f"{way['seconds']:.1f} s, {way['peak_megabytes']} MB",
            ]
        )
    return table(["what", "beside", "measured"], rows)
