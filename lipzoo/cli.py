"""The commands of `lipzoo` that need Keras; their arguments are parsed in `lipzoo_cli`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import keras

import lipzoo
from lipzoo import training, zoo
from lipzoo.attack_command import evaluate_attacked
from lipzoo.bounds import lipschitz_bound
from lipzoo.certify_command import certify
from lipzoo.export_command import export
from lipzoo.exporting.child import ExportError
from lipzoo.float64 import computes_in_float64
from lipzoo.hub_commands import publish, verify
from lipzoo.init_command import init
from lipzoo.training import devices, processes
from lipzoo.training.checkpoint import CheckpointError
from lipzoo.training.provenance import for_other_data
from lipzoo.training.recipe import replace_source
from lipzoo.training.tasks.classification import certified_table
from lipzoo.training.tasks.comparison import compare
from lipzoo.zoo.loading import load_from
from lipzoo_catalogue.commands import model_of, print_json, settings_of
from lipzoo_catalogue.numbers import parse_fraction
from lipzoo_catalogue.outcome import CheckFailed, run_command
from lipzoo_catalogue.preflight import check_attack_options, find_recipe
from lipzoo_catalogue.sources import find
from lipzoo_catalogue.tasks import reconstruction

# Recomputed accuracies may differ from published ones by rounding on other hardware: a few
# examples whose radius is within 1e-6 of epsilon.
TOLERANCE = 5e-4
# Of a mean PSNR, in dB.
PSNR_TOLERANCE = 0.01

# Tables of metrics.json, and what they are called in print.
_TABLES = {
    "validation": "validation, float32",
    "test": "test, float32",
    "test_float64": "test, float64",
}


def run(arguments: argparse.Namespace) -> int:
    """Runs a parsed command and returns its exit code; a user's mistake is one line, no traceback.

    Args:
        arguments: what `lipzoo_cli.build_parser().parse_args()` returned.

    Returns:
        0 done, 1 a check failed, 2 input error, 3 trouble with the Hub, 130 or 143 interrupted.
    """
    if arguments.version:
        print(lipzoo.__version__)
        return 0
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "init": init,
        "train": train,
        "promote": promote,
        "evaluate": evaluate,
        "certify": certify,
        "verify": verify,
        "publish": publish,
        "demo": demo,
        "export": export,
    }
    return run_command(
        commands[arguments.command],
        arguments,
        failures=(training.DivergedError,),
        mistakes=(training.TrainingError, CheckpointError, ExportError, TypeError),
    )


def prepare_backend(arguments: argparse.Namespace) -> None:
    """Joins the processes and makes the devices that a command asks for, before the backend starts.

    Raises:
        TrainingError: if the environment names a job that makes no sense.
    """
    if arguments.command == "train":
        processes.join_job()
    if (getattr(arguments, "devices", None) or 1) > 1 and keras.backend.backend() == "tensorflow":
        devices.divide_processor(arguments.devices)


def train(arguments: argparse.Namespace) -> None:
    """`lipzoo train RECIPE [--data SOURCE] [--out DIR] [--resume] [--devices N] [--json]`."""
    path = find_recipe(arguments.recipe)
    recipe = training.read_recipe(path)
    text = path.read_text(encoding="utf-8")
    if arguments.data is not None:
        text = for_other_data(text, arguments.data)
    folder = Path(arguments.out or Path("runs") / recipe.name)
    arguments.when_interrupted = f"; continue with --resume (run folder {folder})"
    metrics = training.train(
        text,
        folder,
        resume=arguments.resume,
        verbose=not arguments.json,
        devices=arguments.devices,
    )
    if arguments.json:
        print_json({**metrics, "run_folder": str(folder)})
    else:
        print(format_metrics(metrics))
        print(f"run folder: {folder}")


def promote(arguments: argparse.Namespace) -> None:
    """`lipzoo promote RUN [--name NAME] [--weights DIR] [--replace] [--json]`."""
    folder = zoo.promote(
        Path(arguments.run), arguments.name, arguments.weights, replace=arguments.replace
    )
    if arguments.json:
        print_json({"name": folder.name, "folder": str(folder)})
    else:
        print(f"{arguments.run} is now {folder.name} in the zoo: {folder}")


def evaluate(arguments: argparse.Namespace) -> None:
    """`lipzoo evaluate MODEL [--attack NAME]... [--epsilon E]... [--dtype D] [--data SOURCE]`."""
    check_attack_options(arguments)
    source = find(
        model_of(arguments.model),
        revision=arguments.revision,
        settings=settings_of(arguments),
        want="everything",
    )
    path = source.path("recipe.toml")
    text = source.read("recipe.toml").decode()
    if arguments.data is not None:
        text = replace_source(text, arguments.data)
    recipe = training.parse_recipe(text, where=str(path))
    published = source.read_json("metrics.json") if source.has("metrics.json") else None
    if recipe.reconstructs:
        _evaluate_reconstruction(arguments, source, recipe, published)
        return
    model, reference = load_from(source, dtype=arguments.dtype), None
    if arguments.dtype == "float32" and computes_in_float64():
        reference = load_from(source, dtype="float64")
    radii = recipe.evaluation.radii()
    if arguments.epsilon:
        radii = {text: parse_fraction(text) for text in arguments.epsilon}
    dataset = training.load_data(recipe.data)
    positive = training.task_of(recipe, dataset).positive
    if tuple(model.input_shape[1:]) != dataset.input_shape:
        raise training.DataError(
            f"{dataset.source}: expected examples of shape {tuple(model.input_shape[1:])}. "
            f"Received: shape={dataset.input_shape}"
        )
    if arguments.attack:
        evaluate_attacked(arguments, source, model, dataset, radii, reference)
        return
    table = "test" if arguments.dtype == "float32" else "test_float64"
    result = {
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


def _evaluate_reconstruction(arguments, source, recipe, published) -> None:
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
    task = training.task_of(recipe, dataset)
    model = load_from(source, dtype=arguments.dtype)
    result = {
        "name": arguments.model,
        "task": "reconstruction",
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


def demo(arguments: argparse.Namespace) -> None:
    """`lipzoo demo [--output FILE] [--examples N] [--digits]`."""
    from lipzoo.demo import main

    options = ["--digits"] if arguments.digits else []
    for name in ("output", "examples"):
        if getattr(arguments, name) is not None:
            options += [f"--{name}", getattr(arguments, name)]
    if main(options):
        raise CheckFailed("a check of the demo failed, see above")


def format_metrics(metrics: dict) -> str:
    """Metrics as a readable table; radii count the rounding of the arithmetic that is named.

    Example:

    >>> table = {"examples": 10, "clean": 0.9, "certified": {"0.25": 0.8}}
    >>> print(format_metrics({"name": "tiny", "lipschitz_bound": 1.0, "test": table}))
    tiny: proven Lipschitz bound 1
                              test, float32
    examples                             10
    clean                           90.00 %
    certified 0.25                  80.00 %
    """
    lines = [f"{metrics['name']}: proven Lipschitz bound {metrics['lipschitz_bound']:.9g}"]
    if metrics.get("task") == "reconstruction":
        known = reconstruction.read_metrics({"format_version": 1, **metrics})
        return "\n".join([*lines, *reconstruction.plain_lines(known)])
    tables = {}
    for key, label in _TABLES.items():
        if key in metrics:
            if "unseen" in metrics[key]:
                tables[f"{label}, unseen"] = metrics[key]["unseen"]
            tables[label] = metrics[key]
    lines.append(" " * 16 + "".join(f"{label:>23}" for label in tables))
    lines.append(f"{'examples':16}" + "".join(f"{t['examples']:>23,}" for t in tables.values()))
    rows = _share_rows(tables, "clean", "certified")
    for rate in ("sensitivity", "specificity"):
        parts = {label: table[rate] for label, table in tables.items() if rate in table}
        if parts:
            rows += _share_rows(parts, rate, rate)
    for label, shares in rows:
        lines.append(f"{label:16}" + "".join(f"{100 * share:>21.2f} %" for share in shares))
    seen = next((table["seen"] for table in tables.values() if "seen" in table), 0)
    if seen:
        lines.append(f"{seen:,} of the test examples also stand in train or validation")
    return "\n".join(lines)


def _share_rows(tables, clean, certified):
    """The clean row of some tables, and one row for each radius."""
    rows = [(clean, [table["clean"] for table in tables.values()])]
    for radius in next(iter(tables.values()))["certified"]:
        shares = [table["certified"][radius] for table in tables.values()]
        rows.append((f"{certified} {radius}", shares))
    return rows


def _compare(result: dict, published: dict, table: str) -> None:
    """Fails if recomputed numbers are not the published ones, on the same data."""
    wrong, pairs = [], {}
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
