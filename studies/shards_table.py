"""The table of `studies.shards` for the README."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("shards.json")


def shards_table() -> str:
    """Certifying a data set in several processes: time, speed-up, and memory of each."""
    results = json.loads(RESULTS.read_text())
    rows = [
        [name, f"{way['seconds']:.0f}", f"{way['ratio']:.2f} ×", f"{way['peak_megabytes']:,}"]
        for name, way in results["ways"].items()
    ]
    smaller, peak = next(iter(results["memory_megabytes"].items()))
    rows.append([f"1, for {int(smaller):,} images alone", "", "", f"{peak:,}"])
    examples, cpus = results["examples"], results["machine"]["cpus"]
    header = [f"processes of one thread, {cpus} processors", f"seconds for {examples:,} images"]
    return table([*header, "times as fast as one", "largest peak of a process, MB"], rows)
