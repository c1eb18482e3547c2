"""`python -m studies.peers`: lipzoo beside other libraries of Lipschitz networks.

Makes the other libraries' environments where they are not yet there, trains the same shapes on the
same data (Fashion-MNIST) in each of them, one after the other, and writes studies/peers.json.
Run it where the data of the recipes lie, with nothing else running. Finished trainings are kept.

Each library takes the same wall-clock budget. Its learning rate is chosen from a small grid, by
certified accuracy on validation data after a quarter of the budget; test data are read once.
"""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from lipzoo.data.dataset import load_data
from lipzoo.training.run_folder import write_json
from studies.peers import shape
from studies.peers.environments import CACHE, PEERS, PeerError, prepare
from studies.peers.measure import Library, measure
from studies.small_classifiers import RUNS, finished_or, small_recipe

RESULTS = Path(__file__).parents[1] / "peers.json"
NAMES = ("lipzoo", *(peer.name for peer in PEERS))
SELECTION_SHARE = 0.25


def compare(library: Library, network: str, budget: float, dataset, runs: Path) -> dict:
    """One library's row: the learning rate that validation data chose, and the test figures."""

    def trained(rate, seconds, split, seed):
        request = {"network": network, "rate": rate, "budget": seconds, "seed": seed}
        settings = {**request, "split": split, "data": dataset.fingerprint(), **_common(library)}
        path = runs / f"{library.name}-{network}-{rate}-{seconds:g}-{split}.json"
        row = finished_or(path, settings, lambda: measure(library, request, dataset, split))
        print(
            f"{library.name}, {network}, rate {rate}, {seconds:g} s: "
            f"{row['training_images_per_second']:.0f} images/s, {split} {100 * row['clean']:.1f}, "
            f"certified {100 * row['certified'][str(shape.RADIUS)]:.1f}",
            flush=True,
        )
        return row

    def score(rate):
        row = trained(rate, SELECTION_SHARE * budget, "validation", seed=1)
        return row["certified"][str(shape.RADIUS)]

    scores = {rate: score(rate) for rate in shape.LEARNING_RATES}
    rate = max(scores, key=scores.get)
    chosen = {"learning_rate": rate, "validation_certified": {str(r): scores[r] for r in scores}}
    return {**chosen, **trained(rate, budget, "test", seed=0)}


def _common(library: Library) -> dict:
    return {
        "requirements": library.requirements,
        "networks": shape.NETWORKS,
        "batch_size": shape.BATCH_SIZE,
        "loss": [shape.OFFSET, shape.TEMPERATURE],
        "radii": shape.RADII,
    }


def libraries(names, folder: Path, python: str):
    """Yields the libraries that can be run, and `(name, message)` of those that cannot."""
    if "lipzoo" in names:
        yield Library("lipzoo", Path(sys.executable))
    for peer in PEERS:
        if peer.name in names:
            try:
                yield Library(peer.name, prepare(peer, folder, python), peer.requirements)
            except PeerError as error:
                yield peer.name, str(error)


def main(arguments=None) -> int:
    """Measures, writes the results, and returns 1 if a library is missing from them."""
    parser = argparse.ArgumentParser(prog="python -m studies.peers", description=__doc__)
    parser.add_argument("--budget", type=_seconds, default=240.0, help="seconds of training each")
    parser.add_argument("--only", action="append", choices=NAMES, help="the other rows are kept")
    parser.add_argument("--network", action="append", choices=shape.NETWORKS)
    parser.add_argument("--environments", type=Path, default=CACHE, help="folder, made if missing")
    parser.add_argument("--python", default=sys.executable, help="makes them: Python 3.9 to 3.11")
    parser.add_argument("--runs", type=Path, default=RUNS / "peers", help="finished trainings")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    dataset = load_data(small_recipe({}, 1).data)
    settings = {
        "budget_seconds": options.budget,
        "selection_seconds": SELECTION_SHARE * options.budget,
        "learning_rates": list(shape.LEARNING_RATES),
        "batch_size": shape.BATCH_SIZE,
        "offset": shape.OFFSET,
        "temperature": shape.TEMPERATURE,
        "test_examples": len(dataset.test),
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine()},
    }
    rows = _kept(options.output, settings)
    failed = {}
    for library in libraries(options.only or NAMES, options.environments, options.python):
        if isinstance(library, tuple):
            failed.update([library])
            continue
        try:
            for network in options.network or shape.NETWORKS:
                row = compare(library, network, options.budget, dataset, options.runs)
                rows.setdefault(network, {})[library.name] = row
                write_json(options.output, {"settings": settings, "networks": rows})
        except PeerError as error:
            failed[library.name] = str(error)
    for message in failed.values():
        print(message, file=sys.stderr)
    return int(bool(failed))


def _kept(path: Path, settings: dict) -> dict:
    """The rows of a file that was written with the same settings."""
    if not path.exists():
        return {}
    known = json.loads(path.read_text(encoding="utf-8"))
    return known["networks"] if known["settings"] == settings else {}


def _seconds(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds above 0. Received: {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
