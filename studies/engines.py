"""`python -m studies.engines`: what certifying through an engine costs beside calls without one.

Needs the environment of `make test-engines`. Throughput of two actors of Ray Data beside that of
two plain processes, each with one thread: rows over the time from the first batch to the end of the
last one, models loaded before. Processor time of `datasets.map` and of a loop over a `Certifier`
beside that of one `certify`, and of loading in a worker beside `lipzoo.load`. Time and peak memory
of `lipzoo join`, and peak memory of `lipzoo certify` on a Parquet file. Turns alternate, ratios are
those of one turn. Writes studies/engines.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lipzoo.training.run_folder import write_json

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("engines.json")
MODEL = "gradflow-fmnist"
BATCH = 256
_ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_JOIN = """
import sys, time
start = time.perf_counter()
import lipzoo_cli
from studies.memory import memory
code = lipzoo_cli.main(sys.argv[1:])
used = time.perf_counter() - start, time.process_time(), memory("VmHWM") >> 20
print(*used, "keras" in sys.modules)
sys.exit(code)
"""


def images(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The 64 sample images again and again."""
    import lipzoo

    x, y = lipzoo.samples("fmnist")
    numbers = np.arange(rows) % len(x)
    return x[numbers], y[numbers]


def timed_certifier(**arguments):
    """A certifier that is loaded when it is made, whose answers say when they began and ended."""
    import lipzoo

    class Timed(lipzoo.Certifier):
        def __init__(self, **arguments):
            super().__init__(MODEL, reference=None, batch_size=BATCH, **arguments)
            self({self.x: images(BATCH)[0]})

        def __call__(self, batch):
            start = time.time()
            answers = super().__call__(batch)
            count = len(answers["radius"])
            return answers | {
                "start": np.full(count, start),
                "end": np.full(count, time.time()),
            }

    return Timed(**arguments) if arguments else Timed


def plain(rows: int, folder: str) -> None:
    """One of two plain processes: waits for the other one, certifies its half."""
    certifier = timed_certifier(x="x")
    x, _ = images(rows // 2)
    (Path(folder) / str(os.getpid())).touch()
    while len(os.listdir(folder)) < 2:
        time.sleep(0.01)
    answers = [certifier({"x": x[i : i + BATCH]}) for i in range(0, len(x), BATCH)]
    print(json.dumps([answers[0]["start"][0], answers[-1]["end"][-1]]))


def through_ray(rows: int) -> None:
    """Two actors of Ray Data."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    x, _ = images(rows)
    data = ray.data.from_numpy(np.array_split(x, rows // (2 * BATCH)))
    answers = data.map_batches(
        timed_certifier(),
        fn_constructor_kwargs={"x": "data"},
        batch_size=BATCH,
        num_cpus=0.5,
        compute=ray.data.ActorPoolStrategy(size=2),
    ).materialize()
    spans = [(block["start"].min(), block["end"].max()) for block in answers.iter_batches()]
    print(json.dumps([min(s for s, _ in spans), max(e for _, e in spans)]))


def _program(name, *arguments):
    code = f"from studies import engines; engines.{name}(*{arguments!r})"
    environment = os.environ | _ONE_THREAD
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _spans(processes) -> float:
    found = []
    for process in processes:
        printed, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"exit status {process.returncode}")
        found.append(json.loads(printed.splitlines()[-1]))
    return max(end for _, end in found) - min(start for start, _ in found)


def throughputs(rows: int, rounds: int) -> dict:
    """Rows a second of both ways, in turns."""
    seconds = {"plain": [], "ray": []}
    for turn in range(rounds):
        for way in ("plain", "ray") if turn % 2 else ("ray", "plain"):
            with tempfile.TemporaryDirectory() as folder:
                many = [("plain", rows, folder)] * 2 if way == "plain" else [("through_ray", rows)]
                seconds[way].append(_spans([_program(*one) for one in many]))
    pairs = zip(seconds["plain"], seconds["ray"], strict=True)
    ratios = [one / other for one, other in pairs]
    return {
        "rows": rows,
        "rows_a_second": {name: round(rows / min(each)) for name, each in seconds.items()},
        "ratios": [round(ratio, 3) for ratio in ratios],
        "ratio": round(statistics.median(ratios), 3),
    }


def in_one_process(rows: int, rounds: int) -> dict:
    """Processor time of a loop and of `datasets.map` beside `certify`, and of loading."""
    import datasets

    import lipzoo
    from lipzoo.certifying import process_models

    datasets.disable_caching()
    datasets.disable_progress_bars()
    x, _ = images(rows)
    certifier = lipzoo.Certifier(MODEL, reference=None, batch_size=BATCH)
    model = certifier.load()
    data = datasets.Dataset.from_dict({"x": x.reshape(rows, -1)}).with_format("numpy")
    size = rows // 4

    def load():
        process_models._loaded.clear()
        certifier.load()

    ways = {
        "certify": lambda: lipzoo.certify(model, x, reference=None, verbose=0),
        "loop": lambda: [certifier({"x": x[i : i + size]}) for i in range(0, rows, size)],
        "datasets": lambda: data.map(
            certifier, batched=True, batch_size=size, remove_columns=["x"]
        ),
        "lipzoo.load": lambda: lipzoo.load(MODEL),
        "Certifier.load": load,
    }
    seconds = {name: [] for name in ways}
    for turn in range(-1, rounds):
        for name in ways if turn % 2 else reversed(ways):
            start = time.process_time()
            ways[name]()
            if turn >= 0:
                seconds[name].append(time.process_time() - start)
    least = {name: min(each) for name, each in seconds.items()}
    return {
        "rows": rows,
        "batch": size,
        "seconds": {name: round(value, 2) for name, value in least.items()},
        "loop_to_certify": round(least["loop"] / least["certify"], 3),
        "datasets_to_certify": round(least["datasets"] / least["certify"], 3),
        "load_to_load": round(least["Certifier.load"] / least["lipzoo.load"], 3),
    }


def joining(folder: Path, rounds: int, parts: int = 100, rows: int = 10_000) -> dict:
    """`lipzoo join` of many parts, to each format."""
    from lipzoo_catalogue.certified.certified import Certified
    from lipzoo_catalogue.certified.parts import Part
    from lipzoo_catalogue.certified.shards import Shard
    from lipzoo_catalogue.certified.terms import Terms
    from lipzoo_catalogue.certified.writing import write_certified

    generator = np.random.default_rng(0)
    names = tuple(f"class {i}" for i in range(10))
    terms = Terms(MODEL, 1.0, False, True, "l2", "pixels in [0, 1]", names, (), "float32")
    settings = {"model": MODEL, "examples": parts * rows, "dtype": "float32", "left_out": []}
    paths = {".npz": [], ".parquet": []}
    for number in range(1, parts + 1):
        columns = {name: generator.integers(0, 10, rows) for name in ("prediction", "rival")}
        columns |= {"radius": generator.exponential(0.5, rows)}
        columns |= {"labels": generator.integers(0, 10, rows)}
        part = Part(Shard(number, parts), settings, terms).to_json()
        certified = Certified(terms, columns, (number - 1) * rows)
        for ending, found in paths.items():
            found.append(folder / f"part-{number}{ending}")
            write_certified(found[-1], certified, 0.0, part)
    results = {}
    for ending, found in paths.items():
        for out in (".parquet", ".npz", ".csv"):
            runs = []
            for _ in range(rounds):
                command = [sys.executable, "-c", _JOIN, "join", str(folder / f"whole{out}")]
                printed = subprocess.run(
                    [*command, *map(str, found)],
                    cwd=ROOT,
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
                wall, cpu, peak, keras = printed.split()[-4:]
                runs.append((float(wall), float(cpu), int(peak)))
                assert keras == "False"
            results[f"{ending[1:]} to {out[1:]}"] = {
                "seconds": round(min(wall for wall, _, _ in runs), 2),
                "processor_seconds": round(min(cpu for _, cpu, _ in runs), 2),
                "peak_megabytes": max(peak for _, _, peak in runs),
            }
    return {"parts": parts, "rows": rows, "ways": results}


def _printed(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def from_parquet(folder: Path, rows: int) -> dict:
    """Peak memory of `lipzoo certify` of a small network on images in Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import lipzoo
    from lipzoo.zoo.saving import save_model
    from lipzoo_catalogue.model_config import UNIT_PIXELS, ModelConfig

    arguments = {"input_shape": (28, 28, 1), "num_classes": 10, "depth": 2, "width": 256}
    save_model(folder / "mlp", lipzoo.MLP(**arguments), ModelConfig("MLP", arguments, UNIT_PIXELS))
    x, y = images(64)
    pixels = (x.reshape(64, -1) * 255).round().astype("uint8")[np.arange(rows) % 64]
    column = pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), 784)
    pq.write_table(pa.table({"x": column, "label": y[np.arange(rows) % 64]}), folder / "x.parquet")
    command = [sys.executable, "-c", _JOIN, "certify", folder / "mlp", folder / "x.parquet"]
    command = [*map(str, command), "--out", str(folder / "radii.parquet")]
    return {"rows": rows, "peak_megabytes": int(_printed(command).split()[-2])}


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.engines", description=__doc__)
    parser.add_argument("--rows", type=int, default=8192, help="of the engines' data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument(
        "parts",
        nargs="*",
        help="what to measure: join, parquet, in_one_process, throughput; the others stay as they "
        "are in the file (default: all)",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        ways = {
            "join": lambda: joining(Path(name), options.rounds),
            "parquet": lambda: from_parquet(Path(name), 100_000),
            "in_one_process": lambda: in_one_process(options.rows // 2, options.rounds),
            "throughput": lambda: throughputs(options.rows, options.rounds),
        }
        known = json.loads(options.output.read_text()) if options.output.exists() else {}
        results = {"model": MODEL, **known}
        for part in options.parts or ways:
            results[part] = ways[part]()
            print(part, json.dumps(results[part], indent=2), flush=True)
    results["machine"] = {
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        **{name: version(name) for name in ("tensorflow", "datasets", "pyarrow")},
    }
    write_json(options.output, results)


if __name__ == "__main__":
    main()
