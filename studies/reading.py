"""`python -m studies.reading`: a CSV file of 100 MB read by lipzoo, beside pandas alone.

Processor time is measured in turns in one process, and a ratio is that of one turn. Memory is the
peak beyond the imports in a process of its own, as a multiple of the array of float32 that is read.
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
COLUMNS, MEGABYTES, ROUNDS = 100, 100, 15
_READ = """
import json, sys, time
import pandas
from studies.memory import memory
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import read_source
path, rounds, *ways = sys.argv[1:]
read = {"pandas": lambda: pandas.read_csv(path).size,
        "lipzoo": lambda: read_source(path, DataSettings(path)).train.x.nbytes}
before, seconds = memory("VmRSS"), {way: [] for way in ways}
for _ in range(int(rounds)):
    for way in ways:
        start = time.process_time()
        size = read[way]()
        seconds[way].append(time.process_time() - start)
print(json.dumps([seconds, memory("VmHWM") - before, size]))
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
    _, pandas_peak, _ = _measured(path, 1, "pandas")
    _, peak, array = _measured(path, 1, "lipzoo")
    seconds, _, _ = _measured(path, rounds, "pandas", "lipzoo")
    pairs = zip(seconds["lipzoo"], seconds["pandas"], strict=True)
    ratios = sorted(round(ours / theirs, 2) for ours, theirs in pairs)
    least = {way: min(times) for way, times in seconds.items()}
    return {
        "array_megabytes": round(array / 1e6, 1),
        "time_ratio": statistics.median(ratios),
        "time_ratios": ratios,
        "ratio_of_fastest": round(least["lipzoo"] / least["pandas"], 2),
        "memory_of_array": {
            "pandas": round(pandas_peak / array, 2),
            "lipzoo": round(peak / array, 2),
        },
        "rounds": rounds,
    }


def _measured(path, rounds, *ways):
    """Seconds of each way, the peak of memory, and the size of what was read last."""
    command = [sys.executable, "-c", _READ, str(path), str(rounds), *ways]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(process.stdout.splitlines()[-1])


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
