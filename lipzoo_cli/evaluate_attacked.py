"""`lipzoo evaluate MODEL --attack NAME`: accuracy under attack, beside clean and certified."""

import argparse
import csv
import io
from pathlib import Path
from typing import Any

import keras

from lipzoo import zoo
from lipzoo.data.dataset import Dataset
from lipzoo.data.npz import write_arrays
from lipzoo.evaluation import CertificateViolation, Robustness, evaluate_robustness
from lipzoo.training.run_folder import write_figure, write_json
from lipzoo_catalogue.files import METRICS, write_file
from lipzoo_catalogue.model_source import Source
from lipzoo_cli.arguments import print_json
from lipzoo_cli.exit_codes import CheckFailed


def evaluate_attacked(
    arguments: argparse.Namespace,
    source: Source,
    model: keras.Model,
    dataset: Dataset,
    radii: dict[str, float],
    reference: keras.Model | None,
) -> None:
    """Attacks a loaded model on the test split, prints and writes what was asked for.

    Args:
        arguments: the parsed arguments.
        source: where the model's files are.
        model: the model.
        dataset: the data.
        radii: radii by name.
        reference: the same network in float64, or `None`.

    Raises:
        CheckFailed: if a certificate was refuted; everything is printed and written before.
    """
    failure = None
    try:
        robustness = evaluate_robustness(
            model,
            dataset.inputs(dataset.test),
            dataset.test.y,
            list(radii),
            arguments.attack,
            samples=arguments.samples,
            seed=arguments.seed,
            reference=reference,
            attack_certified=arguments.attack_certified,
        )
    except CertificateViolation as violation:
        failure, robustness = str(violation), violation.robustness
    if arguments.json:
        values = {"name": arguments.model, "dtype": arguments.dtype, **robustness.to_dict()}
        print_json(values)
    else:
        print(robustness)
    if arguments.out is not None:
        _write(Path(arguments.out), robustness)
    if arguments.figure is not None:
        _draw(Path(arguments.figure), robustness, arguments.model)
    if failure is not None:
        raise CheckFailed(failure)
    if arguments.record:
        folder = record(source, robustness.to_dict())
        if not arguments.json:
            print(f"recorded in {folder / METRICS}")


def record(source: Source, values: dict[str, Any]) -> Path:
    """Writes the accuracies into a model's `metrics.json`, from which its card is rendered.

    A model of the zoo also gets its entry in the registry renewed.

    Args:
        source: where the model's files are.
        values: a `Robustness.to_dict()` of examples of the model's test split, in float32.

    Returns:
        The model's folder.

    Raises:
        ValueError: if the model is one on the Hub, or has no metrics.
    """
    if source.origin == "Hub" or not source.has(METRICS):
        raise ValueError(
            f"--record: expected a folder with {METRICS}, or a bundled model. "
            f"Received: {source.name} from {source.folder}"
        )
    metrics = source.read_json(METRICS)
    kept = ("examples", "seed", "clean", "certified", "attacked")
    metrics["test_sample"] = {
        **{key: values[key] for key in kept},
        "attack": ", ".join(values["attacks"]),
    }
    write_json(source.path(METRICS), metrics)
    if source.origin == "zoo":
        zoo.promote(source.folder, source.name)
    return source.folder


def _write(path: Path, robustness: Robustness) -> None:
    if path.suffix == ".npz":
        keys = ("index", "labels", "prediction", "radius", "distance", "inputs")
        arrays = {key: getattr(robustness, key) for key in keys}
        write_arrays(path, **arrays, found_by=robustness.found_by.astype(str))
        return
    text = io.StringIO()
    rows = robustness.rows()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, text.getvalue().encode())


def _draw(path: Path, robustness: Robustness, title: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    robustness.plot(axes)
    # Matplotlib leaves its further options without types.
    axes.set_title(title, loc="left")  # pyright: ignore[reportUnknownMemberType]
    write_figure(path, figure, dpi=150)
