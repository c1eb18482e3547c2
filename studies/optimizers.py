"""`python -m studies.optimizers`: Adam, SGD, Muon and StiefelMuon on one network of dense flows.

The learning rate of each is chosen on validation data, by certified accuracy at 0.5 after the same
short training; then every one is trained anew for each seed. Beside that, the time of a training
step in units of Adam's, measured in turns. Writes studies/optimizers.json. Trainings that were
interrupted go on where they were.
"""

import argparse
import dataclasses
from pathlib import Path

import keras
import numpy as np

from lipzoo import GradFlowNet, OffsetCrossEntropy
from lipzoo.data.dataset import Dataset
from lipzoo.optimizers import StiefelMuon
from lipzoo.training import load_data, read_recipe
from lipzoo.training.batches import Batches, EpochStart
from lipzoo.training.run_folder import write_json
from studies.machine import machine
from studies.small_classifiers import RUNS, accuracies, finished_or, mean_and_interval
from studies.timing import interleaved, paired_ratio

RESULTS = Path(__file__).with_name("optimizers.json")
RECIPE = Path(__file__).parents[1] / "recipes" / "gradflow-fmnist.toml"
RADII = (0.25, 0.5, 1.0)
CHOSEN_BY = "0.5"
BATCH_SIZE = 256
# Six dense flows of 512 numbers on all the pixels, of full and of half rank.
NETWORK = {
    "width": 1,
    "stem": 1,
    "patch_depths": (),
    "axial_depth": 0,
    "axial_units": 784,
    "features": 512,
    "dense_depth": 6,
}
OPTIMIZERS = {
    "SGD": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "Adam": keras.optimizers.Adam,
    "Muon": lambda rate: keras.optimizers.Muon(rate, exclude_layers=["head"]),
    "StiefelMuon": StiefelMuon,
}
RATES = {
    "SGD": (0.01, 0.03, 0.1),
    "Adam": (2e-3, 6e-3, 2e-2),
    "Muon": (2e-3, 6e-3, 2e-2),
    "StiefelMuon": (0.01, 0.02, 0.05),
}
UNITS = {"half rank": "half", "full rank": None}
# Full rank for the two that the comparison of ranks is about.
ROWS = [("half rank", name) for name in OPTIMIZERS]
ROWS += [("full rank", name) for name in ("Adam", "StiefelMuon")]


def network(rank: str) -> keras.Model:
    """The network with operators of half or of full rank."""
    return GradFlowNet((28, 28, 1), 10, units=UNITS[rank], **NETWORK)


def train(rank: str, name: str, rate: float, seed: int, dataset: Dataset, epochs: int):
    """Trains the network with one optimizer, its rate rising linearly, then falling to 1 %."""
    keras.utils.set_random_seed(seed)
    model = network(rank)
    augment = read_recipe(RECIPE).training.augment
    batches = Batches(dataset.train, dataset.divisor, BATCH_SIZE, seed, augment)
    steps = epochs * len(batches)
    warmup = max(1, steps // 40)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / warmup, steps - warmup, alpha=0.01, warmup_target=rate, warmup_steps=warmup
    )
    loss = OffsetCrossEntropy(epsilon=0.5, temperature=0.25)
    model.compile(OPTIMIZERS[name](schedule), loss, jit_compile=False)
    start = EpochStart(batches, lambda epoch: augment)
    model.fit(batches, epochs=epochs, shuffle=False, callbacks=[start], verbose=0)
    return model


def trained(folder: Path, dataset: Dataset, rank, name, rate, seed, epochs) -> dict:
    """Accuracies on validation and test data after a training."""
    settings = {"network": NETWORK, "rank": rank, "optimizer": name, "rate": rate, "seed": seed}
    settings |= {"epochs": epochs, "data": dataset.fingerprint(), "train": len(dataset.train)}

    def run():
        return accuracies(train(rank, name, rate, seed, dataset, epochs), dataset, RADII)

    path = folder / f"{rank}-{name}-{rate:g}-{seed}-{epochs}.json".replace(" ", "-")
    return finished_or(path, settings, run)


def row(folder: Path, dataset: Dataset, rank: str, name: str, seeds: int, epochs: int) -> dict:
    """One optimizer on one network: the chosen rate, and what it reaches."""
    tables = {
        rate: trained(folder, dataset, rank, name, rate, 0, epochs)["validation"]
        for rate in RATES[name]
    }
    rate = max(tables, key=lambda rate: tables[rate]["certified"][CHOSEN_BY])
    tests = [
        trained(folder, dataset, rank, name, rate, seed, epochs)["test"] for seed in range(seeds)
    ]
    return {
        "network": rank,
        "optimizer": name,
        "learning_rate": rate,
        "clean": mean_and_interval([table["clean"] for table in tests]),
        "certified": {
            radius: mean_and_interval([table["certified"][radius] for table in tests])
            for radius in tests[0]["certified"]
        },
    }


def step_costs(rounds: int) -> list[dict]:
    """Seconds of a training step with each optimizer, in units of Adam's on the same network."""
    random = np.random.default_rng(0)
    x = random.random((BATCH_SIZE, 28, 28, 1), "float32")
    y = random.integers(10, size=BATCH_SIZE)
    found = []
    for rank in UNITS:
        models = {}
        for name, make in OPTIMIZERS.items():
            keras.utils.set_random_seed(0)
            models[name] = network(rank)
            models[name].compile(make(1e-3), OffsetCrossEntropy(), jit_compile=False)
            models[name].optimizer.build(models[name].trainable_variables)
        turns = {key: lambda m=model: m.train_on_batch(x, y) for key, model in models.items()}
        seconds = interleaved(turns, rounds, warmup=3)
        for name in OPTIMIZERS:
            ratio = paired_ratio(seconds, name, "Adam")
            found.append({"network": rank, "optimizer": name, **ratio})
    return found


def main(arguments=None) -> None:
    """Writes the results."""
    parser = argparse.ArgumentParser(prog="python -m studies.optimizers", description=__doc__)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=10_000, help="training examples")
    parser.add_argument("--rounds", type=int, default=15, help="of the timing")
    parser.add_argument("--runs", type=Path, default=RUNS / "optimizers", help="finished trainings")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    dataset = load_data(read_recipe(RECIPE).data)
    first = np.arange(min(options.examples, len(dataset.train)))
    dataset = dataclasses.replace(dataset, train=dataset.train.take(first))
    rows = []
    for rank, name in ROWS:
        rows.append(row(options.runs, dataset, rank, name, options.seeds, options.epochs))
        share = rows[-1]["certified"][CHOSEN_BY]["mean"]
        print(f"{rank}, {name}: rate {rows[-1]['learning_rate']:g}, {share:.3f} at 0.5", flush=True)
    results = {
        "epochs": options.epochs,
        "seeds": options.seeds,
        "examples": len(dataset.train),
        "batch_size": BATCH_SIZE,
        "rows": rows,
        "steps": step_costs(options.rounds),
        "machine": machine(),
    }
    write_json(options.output, results)


if __name__ == "__main__":
    main()
