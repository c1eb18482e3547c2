"""The sentence of `studies.reading` for the README."""

import json
from pathlib import Path

RESULTS = Path(__file__).with_name("reading.json")


def reading_sentence() -> str:
    """Time and memory of reading a CSV file, beside pandas alone, in a sentence."""
    found = json.loads(RESULTS.read_text())
    memory = found["memory_of_array"]
    return (
        f"A CSV file of {found['megabytes']:,} MB ({found['columns']} columns of numbers and a "
        f"label) is read in {found['time_ratio']:.2f} × the processor time of `pandas.read_csv` "
        f"alone (between {min(found['time_ratios']):.2f} and {max(found['time_ratios']):.2f} in "
        f"{found['rounds']} turns), with {memory['lipzoo']:.1f} × the memory of its array at most, "
        f"where pandas takes {memory['pandas']:.1f} ×.\n"
    )
