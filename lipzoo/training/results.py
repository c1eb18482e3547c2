"""What a finished run leaves: weights, certificate, metrics, history and curves."""

import csv
import io
import time
import warnings
from pathlib import Path

import keras

from lipzoo import zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.data.dataset import DataError, load_data
from lipzoo.training.environment import describe_environment
from lipzoo.training.provenance import content_sha256
from lipzoo.training.recipe import Recipe, parse_recipe
from lipzoo.training.run_folder import write_atomically, write_json
from lipzoo.training.tasks import task_of
from lipzoo.zoo.saving import write_model
from lipzoo_catalogue.files import METRICS, WEIGHTS, parse_json, read_file, record_of
from lipzoo_catalogue.installing import how_to_install
from lipzoo_catalogue.json_validation import is_mapping
from lipzoo_catalogue.version import __version__


def write_results(
    folder: Path,
    recipe: Recipe,
    task,
    model: keras.Model,
    arguments: dict,
    history: list[dict],
    identity: dict,
) -> dict:
    """Measures the trained model and writes every file of the run folder; `metrics.json` last.

    Args:
        folder: the run folder.
        recipe: the recipe.
        task: what the recipe trains, with its data, see `lipzoo.training.tasks`.
        model: the trained model.
        arguments: all arguments of its builder.
        history: one row per epoch.
        identity: hashes of recipe and data.

    Returns:
        The content of `metrics.json`.
    """
    started = time.perf_counter()
    write_model(folder, model, model_config(recipe, task, arguments))
    dataset = task.dataset
    write_json(folder / "history.json", history)
    write_atomically(folder / "history.csv", lambda file: file.write(_csv(history).encode()))
    about = {
        "format_version": 1,
        "name": recipe.name,
        "parameters": int(model.count_params()),
        "epochs": len(history),
        "seed": recipe.seed,
        "data": {
            "source": dataset.source,
            "sha256": identity["data_sha256"],
            "content_sha256": content_sha256(dataset),
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
            "notes": list(dataset.notes),
        },
        "recipe_sha256": identity["recipe_sha256"],
        "seconds": {"training": round(sum(row["seconds"] for row in history), 1)},
        **describe_environment(),
    }
    metrics = _measured(folder, task, model, about)
    metrics["seconds"]["evaluation"] = round(time.perf_counter() - started, 1)
    try:
        task.write_curves(folder / "curves.png", history, metrics)
    except ImportError as error:
        warnings.warn(f"no curves.png: {how_to_install('plots')} ({error})", stacklevel=2)
    write_json(folder / "metrics.json", metrics)
    return metrics


def refresh_metrics(folder: str | Path) -> dict:
    """Measures the model of a finished run again and replaces the tables of its `metrics.json`.

    The tables and the bound are those of the installed version; everything else in the file (seed,
    times, versions, hardware) is about the training and stays. A run of an earlier version gets the
    table `test_float64` so.

    Args:
        folder: the run folder.

    Returns:
        The new content of `metrics.json`.

    Raises:
        FileNotFoundError: if a file of the run is missing.
        DataError: if the data are not those of the run.
        ValueError: if a file of the run was altered, or says of no run which data it had.
    """
    folder = Path(folder)
    path = folder / "recipe.toml"
    recipe = parse_recipe(path.read_text(encoding="utf-8"), where=str(path))
    metrics = _about_the_run(folder / METRICS)
    dataset = load_data(recipe.data, labelled=not recipe.reconstructs)
    if dataset.fingerprint() != metrics["data"]["sha256"]:
        raise DataError(
            f"{dataset.source}: expected the data of the run, SHA-256 {metrics['data']['sha256']}. "
            f"Received: {dataset.fingerprint()}"
        )
    metrics = _measured(folder, task_of(recipe, dataset), zoo.load(folder), metrics)
    write_json(folder / "metrics.json", metrics)
    return metrics


def _about_the_run(path: Path) -> dict:
    """The content of a run's `metrics.json`, which states name, version and data."""
    metrics = parse_json(read_file(path), path)
    data = metrics.get("data")
    named = {"format_version", "name"} <= metrics.keys()
    if not (named and is_mapping(data) and "sha256" in data):
        raise ValueError(
            f"{path}: expected a run's metrics, with format_version, name and data.sha256. "
            f"Received: {', '.join(metrics) or 'no keys'}"
        )
    return metrics


def _measured(folder: Path, task, model: keras.Model, about: dict) -> dict:
    """The content of `metrics.json`: what is measured of a saved model, and what else is known.

    Args:
        folder: the run folder, with the model's files.
        task: as in `write_results`.
        model: the model.
        about: everything else in the file; what it has of what is measured is replaced.
    """
    measured = {
        **task.tables(folder, model),
        "lipschitz_bound": float(lipschitz_bound(model)),
        "weights_sha256": record_of(read_file(folder / WEIGHTS)).sha256,
    }
    first = {key: about[key] for key in ("format_version", "name")}
    kept = {key: value for key, value in about.items() if key not in first | measured}
    return {**first, **measured, **kept}


def model_config(recipe: Recipe, task, arguments: dict) -> zoo.ModelConfig:
    """What is needed to build the model again, and what its card says."""
    registry, source = recipe.registry, task.dataset.source
    return zoo.ModelConfig(
        architecture=recipe.model.architecture,
        arguments=arguments,
        preprocessing=task.preprocessing,
        class_names=task.class_names,
        feature_names=registry.feature_names or task.dataset.feature_names,
        description=recipe.description,
        # A path says nothing to others; the name of a catalogue's data set does.
        dataset=registry.dataset or (source if ":" in source and Path(source).drive == "" else ""),
        data_licence=registry.data_licence,
        licence=registry.licence,
        citation=registry.citation,
        paper=registry.paper,
        intended_use=registry.intended_use,
        limitations=registry.limitations,
        lipzoo_version=__version__,
        task=task.name,
    )


def _csv(history: list[dict]) -> str:
    keys = list(dict.fromkeys(key for row in history for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
