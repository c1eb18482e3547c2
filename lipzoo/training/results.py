"""What a finished run leaves: weights, certificate, metrics, history and curves."""

import csv
import io
import json
import time
import warnings
from pathlib import Path

import keras
import numpy as np

from lipzoo import __version__, zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.certificates import certify
from lipzoo.training.checkpoint import write_atomically, write_json
from lipzoo.training.data import DataError, Dataset, load_data
from lipzoo.training.environment import describe_environment
from lipzoo.training.figures import write_curves
from lipzoo.training.recipe import Recipe, parse_recipe
from lipzoo.zoo.precision import computes_in_float64


def write_results(
    folder: Path,
    recipe: Recipe,
    dataset: Dataset,
    model: keras.Model,
    arguments: dict,
    history: list[dict],
    identity: dict,
) -> dict:
    """Certifies the trained model and writes every file of the run folder; `metrics.json` last.

    Args:
        folder: the run folder.
        recipe: the recipe.
        dataset: the data.
        model: the trained model.
        arguments: all arguments of its builder.
        history: one row per epoch.
        identity: hashes of recipe and data.

    Returns:
        The content of `metrics.json`.
    """
    started = time.perf_counter()
    zoo.save_model(folder, model, model_config(recipe, dataset, arguments))
    tables = _tables(folder, model, dataset, recipe)
    write_json(folder / "history.json", history)
    write_atomically(folder / "history.csv", lambda file: file.write(_csv(history).encode()))
    seconds = sum(row["seconds"] for row in history)
    metrics = {
        "format_version": 1,
        "name": recipe.name,
        **tables,
        "lipschitz_bound": float(lipschitz_bound(model)),
        "parameters": int(model.count_params()),
        "epochs": len(history),
        "seed": recipe.seed,
        "data": {
            "source": dataset.source,
            "sha256": identity["data_sha256"],
            "train": len(dataset.train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
            "notes": list(dataset.notes),
        },
        "recipe_sha256": identity["recipe_sha256"],
        "seconds": {
            "training": round(seconds, 1),
            "evaluation": round(time.perf_counter() - started, 1),
        },
        **describe_environment(),
    }
    try:
        write_curves(folder / "curves.png", recipe.name, history, tables["test"])
    except ImportError as error:
        warnings.warn(f"no curves.png: pip install 'lipzoo[plots]' ({error})", stacklevel=2)
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
        ValueError: if a file of the run was altered.
    """
    folder = Path(folder)
    path = folder / "recipe.toml"
    recipe = parse_recipe(path.read_text(encoding="utf-8"), where=str(path))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    dataset = load_data(recipe.data)
    if dataset.fingerprint() != metrics["data"]["sha256"]:
        raise DataError(
            f"{dataset.source}: expected the data of the run, SHA-256 {metrics['data']['sha256']}. "
            f"Received: {dataset.fingerprint()}"
        )
    model = zoo.load(folder)
    tables = _tables(folder, model, dataset, recipe)
    kept = {key: value for key, value in metrics.items() if key not in tables}
    first = {key: kept.pop(key) for key in ("format_version", "name")}
    metrics = {**first, **tables, **kept, "lipschitz_bound": float(lipschitz_bound(model))}
    write_json(folder / "metrics.json", metrics)
    return metrics


def _tables(folder: Path, model: keras.Model, dataset: Dataset, recipe: Recipe) -> dict:
    """The accuracies of a saved model by their keys in `metrics.json`."""
    splits = {"validation": dataset.validation, "test": dataset.test}
    measured = {key: (model, split) for key, split in splits.items()}
    # The network that a user gets, made of the saved weights.
    reference = zoo.load(folder, dtype="float64") if computes_in_float64() else None
    if reference is not None:
        measured["test_float64"] = (reference, dataset.test)
    radii = recipe.evaluation.radii()
    return {
        key: certified_table(
            network,
            dataset.inputs(split),
            split.y,
            radii,
            None if network is reference else reference,
        )
        for key, (network, split) in measured.items()
    }


def certified_table(
    model: keras.Model, x: np.ndarray, y: np.ndarray, radii: dict, reference=None
) -> dict:
    """Clean and certified accuracy of a model, with the bound recomputed from its weights.

    Args:
        model: classifier without softmax.
        x: inputs, in the model's units.
        y: integer labels.
        radii: l2 radii by name.
        reference: the same network in float64, see `certify`; `None` for the model's own margins.

    Returns:
        `{"examples": ..., "clean": ..., "certified": {name: share}}`, and `"margins": "float64"`
        with a reference.
    """
    certificate = certify(model, x, y, reference=reference, verbose=0)
    shares = certificate.certified_accuracy(list(radii.values()))
    return {
        "examples": len(y),
        "clean": float(certificate.accuracy),
        "certified": {name: float(share) for name, share in zip(radii, shares, strict=True)},
        **({} if reference is None else {"margins": "float64"}),
    }


def model_config(recipe: Recipe, dataset: Dataset, arguments: dict) -> zoo.ModelConfig:
    """What is needed to build the model again, and what its card says."""
    registry = recipe.registry
    pixels = {"scale": "pixels in [0, 1]", "minimum": 0.0, "maximum": 1.0}
    units = {"scale": "values as in the data", "minimum": None, "maximum": None}
    return zoo.ModelConfig(
        architecture=recipe.model.architecture,
        arguments=arguments,
        preprocessing=pixels if dataset.kind == "image" else units,
        class_names=registry.class_names or dataset.class_names,
        description=recipe.description,
        dataset=registry.dataset or dataset.source,
        data_licence=registry.data_licence,
        licence=registry.licence,
        citation=registry.citation,
        paper=registry.paper,
        intended_use=registry.intended_use,
        limitations=registry.limitations,
        lipzoo_version=__version__,
    )


def _csv(history: list[dict]) -> str:
    keys = list(dict.fromkeys(key for row in history for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
