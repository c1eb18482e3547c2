"""`python -m studies.reading`: a CSV file of 100 MB read by lipzoo, beside pandas alone.

Each reading is a process of its own, the two in turns; ratios of processor time are those of one
turn. Memory is the peak beyond the imports, as a multiple of the array of float32 that is read.
Writes studies/reading.json.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lipzoo.training.run_folder import write_json

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("reading.json")
COLUMNS, MEGABYTES, ROUNDS = 100, 100, 3
_READ = """
import json, resource, sys, time
import pandas
from studies.memory import memory
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import read_source
way, path = sys.argv[1:]
read = {"pandas": lambda: pandas.read_csv(path),
        "lipzoo": lambda: read_source(path, DataSettings(path))}[way]
before, start = memory("VmRSS"), time.process_time()
found = read()
seconds = time.process_time() - start
array = 0 if way == "pandas" else found.train.x.nbytes
print(json.dumps([seconds, memory("VmHWM") - before, array]))
"""


def write_table(path: Path, columns: int, megabytes: float) -> int:
    """Writes random numbers with a header and labels; returns the number of rows."""
    generator, rows = np.random.default_rng(0), 0
    with path.open("w") as file:
        file.write(",".join([*(f"f{i}" for i in range(columns)), "class"]) + "\n")
        while file.tell() < megabytes * 1e6:
            block = np.round(generator.normal(size=(500, columns)), 8)
            for i, row in enumerate(block.tolist()):
                file.write(",".join([*map(repr, row), "ab"[i % 2]]) + "\n")
            rows += len(block)
    return rows


def measure(path: Path, rounds: int) -> dict:
    """Ratio of processor time, and memory of both as multiples of the array."""
    found = {"pandas": [], "lipzoo": []}
    for _ in range(rounds):
        for way, results in found.items():
            command = [sys.executable, "-c", _READ, way, str(path)]
            process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            results.append(json.loads(process.stdout.splitlines()[-1]))
    pairs = zip(found["lipzoo"], found["pandas"], strict=True)
    array = found["lipzoo"][0][2]
    ratios = sorted(round(ours[0] / theirs[0], 2) for ours, theirs in pairs)
    peaks = {way: max(result[1] for result in results) for way, results in found.items()}
    least = {way: min(result[0] for result in results) for way, results in found.items()}
    return {
        "array_megabytes": round(array / 1e6, 1),
        "time_ratio": statistics.median(ratios),
        "time_ratios": ratios,
        "ratio_of_fastest": round(least["lipzoo"] / least["pandas"], 2),
        "memory_of_array": {way: round(peak / array, 2) for way, peak in peaks.items()},
        "rounds": rounds,
    }


def main() -> None:
    """Measures and writes the results."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        rows = write_table(path, COLUMNS, MEGABYTES)
        about = {"rows": rows, "columns": COLUMNS, "megabytes": round(path.stat().st_size / 1e6)}
        results = about | measure(path, ROUNDS)
    machine = {"processor": platform.processor() or platform.machine(), "pandas": version("pandas")}
    write_json(RESULTS, results | machine)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
