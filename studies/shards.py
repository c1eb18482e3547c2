"""`python -m studies.shards`: certifying a data set in one, two and four processes.

Each process is `lipzoo certify --shard`, with one thread, on its part of an `.npy` file; the time
is that of the whole, from the start of the first process to the end of `lipzoo join`, so start-up
and joining count. One process that takes all processors is measured beside them. The ways are run
in turns, and ratios are those of one turn. Peak memory is that of one process at two sizes of the
data set, and that of the largest of several. Writes studies/shards.json.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lipzoo.training import load_data, read_recipe
from lipzoo.training.run_folder import write_json
from studies.timing import interleaved

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("shards.json")
MODEL = "gradflow-fmnist"
PROCESSES = (1, 2, 4)
ALL = "1, all threads"
# Size of the smaller data set whose peak memory is measured, as a share of the whole.
SMALLER = 8
# A command of lipzoo that prints its peak memory at the end. What the system reports of a process
# that has ended would be the peak of the one that started it, if that is larger.
_COMMAND = """
import sys, lipzoo_cli
from studies.memory import memory
code = lipzoo_cli.main(sys.argv[1:])
print(memory("VmHWM") // 1024)
sys.exit(code)
"""
_ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def write_data(folder: Path, examples: int | None = None) -> int:
    """Writes the test split as `.npy` files of inputs and labels; returns its size."""
    data = load_data(read_recipe(ROOT / "recipes" / f"{MODEL}.toml").data)
    np.save(folder / "x.npy", data.inputs(data.test)[:examples])
    np.save(folder / "y.npy", data.test.y[:examples])
    return len(data.test.y[:examples])


def certify(folder: Path, processes: int, *options, one_thread: bool = True) -> list[int]:
    """Certifies in so many processes and joins the parts; returns the peak memory of each, in kB.

    Raises:
        RuntimeError: if a process fails.
    """
    environment = os.environ | (_ONE_THREAD if one_thread else {})
    running, parts = [], [str(folder / f"part-{k}.npz") for k in range(1, processes + 1)]
    for number, part in enumerate(parts, start=1):
        shard = ["--shard", f"{number}/{processes}", "--out", part, *options]
        data = [str(folder / "x.npy"), "--labels", str(folder / "y.npy")]
        running.append(_start(["certify", MODEL, *data, *shard], environment))
    peaks = [_finish(process) for process in running]
    _finish(_start(["join", str(folder / f"joined-{processes}.npz"), *parts], environment))
    return peaks


def _start(arguments, environment):
    command = [sys.executable, "-c", _COMMAND, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _finish(process):
    printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args}: exit status {process.returncode}")
    return int(printed.split()[-1])


def measure(folder: Path, examples: int, rounds: int) -> dict:
    """Times and peak memory of every way, and how far their radii differ."""
    peaks = {}

    def way(name, count, one_thread=True):
        def run():
            found = certify(folder, count, one_thread=one_thread)
            peaks[name] = max([peaks.get(name, 0), *found])

        return run

    ways = {str(count): way(str(count), count) for count in PROCESSES}
    ways[ALL] = way(ALL, 1, one_thread=False)
    seconds = interleaved(ways, rounds, warmup=0)
    radii = [np.load(folder / f"joined-{count}.npz")["radius"] for count in PROCESSES]
    smaller = examples // SMALLER
    peak_of_smaller = max(certify(folder, 1, "--examples", str(smaller)))
    return {
        "ways": {
            name: {
                "seconds": round(statistics.median(seconds[name]), 1),
                "ratio": round(statistics.median(ratios(seconds["1"], seconds[name])), 2),
                "ratios": [round(ratio, 2) for ratio in ratios(seconds["1"], seconds[name])],
                "peak_megabytes": round(peaks[name] / 1024),
            }
            for name in ways
        },
        "rounds": rounds,
        "largest_difference_of_radii": float(max(np.abs(r - radii[0]).max() for r in radii)),
        "memory_megabytes": {
            str(smaller): round(peak_of_smaller / 1024),
            str(examples): round(peaks["1"] / 1024),
        },
    }


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Ratios of two times, turn by turn."""
    return [one / other for one, other in zip(above, below, strict=True)]


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.shards", description=__doc__)
    parser.add_argument("--examples", type=int, help="of the test split; default: all")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        examples = write_data(Path(name), options.examples)
        results = measure(Path(name), examples, options.rounds)
    machine = {
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        "tensorflow": version("tensorflow"),
    }
    results = {"model": MODEL, "examples": examples, **results, "machine": machine}
    print(results)
    write_json(options.output, results)


if __name__ == "__main__":
    main()
