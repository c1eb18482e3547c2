"""`python -m studies.answers` measures how soon lipzoo answers and writes answers.json."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).with_name("answers.json")
COMMANDS = (["list"], ["info", "gradflow-fmnist"], ["card", "gradflow-fmnist"])

_IMPORT = """
import time
import keras
started = time.perf_counter()
import lipzoo
print(time.perf_counter() - started)
"""


def measure(processes: int) -> dict:
    """Median seconds of whole processes by command, and of `import lipzoo` after `import keras`."""
    return {
        "commands": {
            f"lipzoo {' '.join(command)}": round(_median(_command, processes, command), 3)
            for command in COMMANDS
        },
        "import_beyond_keras_seconds": round(_median(_import, processes), 3),
        "processes": processes,
    }


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.answers", description=__doc__)
    parser.add_argument("--processes", type=int, default=9)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    text = json.dumps(measure(options.processes), indent=2) + "\n"
    options.output.write_text(text)
    print(text, end="")


def _median(function, count, *arguments):
    return statistics.median(function(*arguments) for _ in range(count))


def _command(command):
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "lipzoo_cli", *command], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def _import():
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
