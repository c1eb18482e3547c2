"""`lipzoo evaluate`: the numbers of a model measured anew, beside the published ones."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from lipzoo import training
from lipzoo.bounds import lipschitz_bound
from lipzoo.data.dataset import check_columns
from lipzoo.float64 import computes_in_float64
from lipzoo.training.recipe import Recipe, replace_source
from lipzoo.training.tasks.classification import ClassificationTask, certified_table
from lipzoo.training.tasks.comparison import compare
from lipzoo.training.tasks.reconstruction import ReconstructionTask
from lipzoo.zoo.loading import load_from
from lipzoo_catalogue.files import CONFIG, RECIPE
from lipzoo_catalogue.formatting import parse_fraction
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import Source, find
from lipzoo_catalogue.task_names import RECONSTRUCTION
from lipzoo_cli.arguments import model_of, print_json, settings_of
from lipzoo_cli.checked_options import check_attack_options
from lipzoo_cli.evaluate_attacked import evaluate_attacked
from lipzoo_cli.exit_codes import CheckFailed
from lipzoo_cli.metrics_table import format_metrics

# Recomputed accuracies may differ from published ones by rounding on other hardware: a few
# examples whose radius is within 1e-6 of epsilon.
TOLERANCE = 5e-4
# Of a mean PSNR, in dB.
PSNR_TOLERANCE = 0.01


def evaluate(arguments: argparse.Namespace) -> None:
    """`lipzoo evaluate MODEL [--attack NAME]... [--epsilon E]... [--dtype D] [--data SOURCE]`."""
    check_attack_options(arguments)
    source = find(
        model_of(arguments.model),
        revision=arguments.revision,
        settings=settings_of(arguments),
        want="everything",
    )
    path = source.path(RECIPE)
    if not source.has(RECIPE):
        raise ValueError(
            f"{arguments.model}: expected a model that a recipe trained, which says what to "
            f"measure. Received: one without {RECIPE}; `lipzoo info` shows its results"
        )
    text = source.read(RECIPE).decode()
    if arguments.data is not None:
        text = replace_source(text, arguments.data)
    recipe = training.parse_recipe(text, where=str(path))
    config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    if recipe.task != config.task:
        raise ValueError(
            f"{path}: expected a recipe of the model's task, {config.task}, as {CONFIG} says. "
            f"Received: one of {recipe.task}"
        )
    published = source.read_json("metrics.json") if source.has("metrics.json") else None
    if config.task == RECONSTRUCTION:
        _evaluate_reconstruction(arguments, source, recipe, published)
        return
    model, reference = load_from(source, dtype=arguments.dtype), None
    if arguments.dtype == "float32" and computes_in_float64():
        reference = load_from(source, dtype="float64")
    radii = recipe.evaluation.radii()
    if arguments.epsilon:
        radii = {text: parse_fraction(text) for text in arguments.epsilon}
    dataset = training.load_data(recipe.data)
    task = training.task_of(recipe, dataset)
    positive = task.positive if isinstance(task, ClassificationTask) else None
    check_columns(dataset.feature_names, model.lipzoo_config.feature_names, dataset.source)
    if tuple(model.input_shape[1:]) != dataset.input_shape:
        raise training.DataError(
            f"{dataset.source}: expected examples of shape {tuple(model.input_shape[1:])}. "
            f"Received: shape={dataset.input_shape}"
        )
    if arguments.attack:
        evaluate_attacked(arguments, source, model, dataset, radii, reference)
        return
    table = "test" if arguments.dtype == "float32" else "test_float64"
    result: dict[str, Any] = {
        "name": arguments.model,
        "dtype": arguments.dtype,
        "data": {"source": dataset.source, "sha256": dataset.fingerprint()},
        "lipschitz_bound": float(lipschitz_bound(model)),
        table: certified_table(
            model,
            dataset.inputs(dataset.test),
            dataset.test.y,
            radii,
            reference,
            positive,
            dataset.seen,
        ),
    }
    print_json(result) if arguments.json else print(format_metrics(result))
    if published and result["data"]["sha256"] == published["data"]["sha256"]:
        _compare(result, published, table)


def _evaluate_reconstruction(
    arguments: argparse.Namespace,
    source: Source,
    recipe: Recipe,
    published: Mapping[str, Any] | None,
) -> None:
    """The comparison of a reconstruction with the classical methods, made anew."""
    if arguments.attack:
        raise ValueError(
            "--attack is for classifiers; lipzoo.worst_movement looks for the worst measurement. "
            f"Received: {arguments.attack} for {arguments.model}"
        )
    if arguments.epsilon:
        raise ValueError(
            "--epsilon is a radius for classifiers; lipzoo.certify_reconstruction takes a noise "
            f"norm. Received: {arguments.epsilon} for {arguments.model}"
        )
    dataset = training.load_data(recipe.data, labelled=False)
    task = ReconstructionTask(recipe, dataset)
    model = load_from(source, dtype=arguments.dtype)
    result: dict[str, Any] = {
        "name": arguments.model,
        "task": RECONSTRUCTION,
        "dtype": arguments.dtype,
        "data": {"source": dataset.source, "sha256": dataset.fingerprint()},
        "lipschitz_bound": float(lipschitz_bound(model)),
        "test": compare(task, model),
    }
    print_json(result) if arguments.json else print(format_metrics(result))
    if published is None or result["data"]["sha256"] != published["data"]["sha256"]:
        return
    now, then = (values["test"]["methods"] for values in (result, published))
    wrong = [
        f"{name} {now[name]['psnr']:.3f} dB, published {then[name]['psnr']:.3f} dB"
        for name in now.keys() & then.keys()
        if abs(now[name]["psnr"] - then[name]["psnr"]) > PSNR_TOLERANCE
    ]
    if wrong:
        raise CheckFailed(f"recomputed numbers differ from metrics.json: {'; '.join(wrong)}")


def _compare(result: Mapping[str, Any], published: Mapping[str, Any], table: str) -> None:
    """Fails if recomputed numbers are not the published ones, on the same data."""
    wrong: list[str] = []
    pairs: dict[str, tuple[float, float]] = {}
    now, then = result[table], published.get(table)
    if then is None:
        print(f"metrics.json has no {table!r} to compare with", file=sys.stderr)
    else:
        pairs["clean"] = (now["clean"], then["clean"])
        comparable = now.get("margins") == then.get("margins")
        if not comparable:
            print("margins in another arithmetic than the published ones", file=sys.stderr)
        for radius, share in now["certified"].items():
            if comparable and radius in then["certified"]:
                pairs[f"certified {radius}"] = (share, then["certified"][radius])
    for key, (now, then) in pairs.items():
        if abs(now - then) > TOLERANCE:
            wrong.append(f"{key}: {100 * now:.2f} % now, {100 * then:.2f} % published")
    if result["lipschitz_bound"] > published["lipschitz_bound"] * (1 + 1e-9):
        wrong.append(
            f"bound: {result['lipschitz_bound']:.9g} now, "
            f"{published['lipschitz_bound']:.9g} published"
        )
    if wrong:
        raise CheckFailed("the published numbers are not reproduced: " + "; ".join(wrong))
