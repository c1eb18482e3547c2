"""The commands of `lipzoo`; their arguments are parsed in `lipzoo_cli`."""

import argparse
import dataclasses
import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import lipzoo
from lipzoo import training, zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.training.checkpoint import CheckpointError
from lipzoo.training.recipe import replace_source
from lipzoo.training.results import certified_table
from lipzoo.training.settings import parse_fraction
from lipzoo.zoo.precision import computes_in_float64

# Recomputed accuracies may differ from published ones by rounding on other hardware: a few
# examples whose radius is within 1e-6 of epsilon.
TOLERANCE = 5e-4

# Tables of metrics.json, and what they are called in print.
_TABLES = {
    "validation": "validation, float32",
    "test": "test, float32",
    "test_float64": "test, float64",
}

_INPUT_ERRORS = (
    training.RecipeError,
    training.DataError,
    CheckpointError,
    FileNotFoundError,
    NotADirectoryError,
    PermissionError,
    KeyError,
    ValueError,
)


class CheckFailed(Exception):
    """A check that failed: exit code 1."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised between two steps of the main thread."""


def run(arguments: argparse.Namespace) -> int:
    """Runs a parsed command and returns its exit code; a user's mistake is one line, no traceback.

    Args:
        arguments: what `lipzoo_cli.build_parser().parse_args()` returned.

    Returns:
        0 done, 1 a check failed, 2 input error, 130 or 143 interrupted.
    """
    if arguments.version:
        print(lipzoo.__version__)
        return 0
    commands: dict[str, Callable[[argparse.Namespace], None]] = {
        "train": train,
        "promote": promote,
        "evaluate": evaluate,
        "demo": demo,
        "list": list_models,
        "info": info,
    }
    if threading.current_thread() is threading.main_thread():
        previous = signal.signal(signal.SIGTERM, _terminate)
    else:
        previous = None
    try:
        commands[arguments.command](arguments)
        return 0
    except (CheckFailed, training.DivergedError) as error:
        return _fail(error, 1)
    except training.TrainingError as error:
        return _fail(error, 2)
    except KeyboardInterrupt as stop:
        if arguments.command == "train":
            folder = getattr(arguments, "run_folder", None)
            hint = f"; continue with --resume (run folder {folder})" if folder else ""
            print(f"\nlipzoo train: interrupted{hint}", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except BrokenPipeError:
        return 1
    except _INPUT_ERRORS as error:
        return _fail(error, 2)
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def train(arguments: argparse.Namespace) -> None:
    """`lipzoo train RECIPE [--data SOURCE] [--out DIR] [--resume]`."""
    path = find_recipe(arguments.recipe)
    recipe = training.read_recipe(path)
    text = path.read_text(encoding="utf-8")
    if arguments.data is not None:
        text = replace_source(text, arguments.data)
    arguments.run_folder = folder = Path(arguments.out or Path("runs") / recipe.name)
    metrics = training.train(text, folder, resume=arguments.resume)
    print(format_metrics(metrics))
    print(f"run folder: {folder}")


def promote(arguments: argparse.Namespace) -> None:
    """`lipzoo promote RUN [--name NAME] [--weights DIR] [--replace]`."""
    folder = zoo.promote(
        Path(arguments.run), arguments.name, arguments.weights, replace=arguments.replace
    )
    print(f"{arguments.run} is now {folder.name} in the zoo: {folder}")


def evaluate(arguments: argparse.Namespace) -> None:
    """`lipzoo evaluate MODEL [--dtype D] [--data SOURCE] [--epsilon E]... [--json]`."""
    # A name of the zoo means the same wherever it is typed; ./NAME is always a folder.
    in_zoo = arguments.model in zoo.list_models()
    is_folder = not in_zoo and Path(arguments.model).is_dir()
    source = Path(arguments.model) if is_folder else arguments.model
    model, reference = zoo.load(source, dtype=arguments.dtype), None
    if arguments.dtype == "float32" and computes_in_float64():
        reference = zoo.load(source, dtype="float64")
    folder = Path(arguments.model) if is_folder else zoo.model_folder(arguments.model)
    text = (folder / "recipe.toml").read_text(encoding="utf-8")
    if arguments.data is not None:
        text = replace_source(text, arguments.data)
    recipe = training.parse_recipe(text, where=str(folder / "recipe.toml"))
    radii = recipe.evaluation.radii()
    if arguments.epsilon:
        radii = {text: parse_fraction(text) for text in arguments.epsilon}
    dataset = training.load_data(recipe.data)
    if tuple(model.input_shape[1:]) != dataset.input_shape:
        raise training.DataError(
            f"{dataset.source}: expected examples of shape {tuple(model.input_shape[1:])}. "
            f"Received: shape={dataset.input_shape}"
        )
    metrics = folder / "metrics.json"
    published = json.loads(metrics.read_text("utf-8")) if metrics.exists() else None
    table = "test" if arguments.dtype == "float32" else "test_float64"
    result = {
        "name": arguments.model,
        "dtype": arguments.dtype,
        "data": {"source": dataset.source, "sha256": dataset.fingerprint()},
        "lipschitz_bound": float(lipschitz_bound(model)),
        table: certified_table(
            model, dataset.inputs(dataset.test), dataset.test.y, radii, reference
        ),
    }
    print(json.dumps(result, indent=2) if arguments.json else format_metrics(result))
    if published and result["data"]["sha256"] == published["data"]["sha256"]:
        _compare(result, published, table)


def demo(arguments: argparse.Namespace) -> None:
    """`lipzoo demo [--output FILE] [--examples N] [--digits]`."""
    from lipzoo.demo import main

    options = ["--digits"] if arguments.digits else []
    for name in ("output", "examples"):
        if getattr(arguments, name) is not None:
            options += [f"--{name}", getattr(arguments, name)]
    if main(options):
        raise CheckFailed("a check of the demo failed, see above")


def list_models(arguments: argparse.Namespace) -> None:
    """`lipzoo list [PATTERN]`."""
    names = zoo.list_models(arguments.pattern)
    if not names:
        raise KeyError(f"no model matches {arguments.pattern!r}")
    print("\n".join(names))


def info(arguments: argparse.Namespace) -> None:
    """`lipzoo info NAME`."""
    values = dataclasses.asdict(zoo.info(arguments.name))
    print(json.dumps(values, indent=2, ensure_ascii=False, default=str))


def find_recipe(name: str) -> Path:
    """Path of a recipe file: `name` itself, or the recipe of that name that lipzoo brings."""
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return path
    package = Path(lipzoo.__file__).parent
    for folder in (package / "_bundled" / "recipes", package.parent / "recipes"):
        if (folder / f"{name}.toml").exists():
            return folder / f"{name}.toml"
    raise training.RecipeError(f"{name}: neither a .toml file nor the name of a bundled recipe")


def format_metrics(metrics: dict) -> str:
    """Metrics as a readable table; radii count the rounding of the arithmetic that is named.

    Example:

    >>> table = {"examples": 10, "clean": 0.9, "certified": {"0.25": 0.8}}
    >>> print(format_metrics({"name": "tiny", "lipschitz_bound": 1.0, "test": table}))
    tiny: proven Lipschitz bound 1
                            test, float32
    examples                           10
    clean                         90.00 %
    certified 0.25                80.00 %
    """
    tables = {label: metrics[key] for key, label in _TABLES.items() if key in metrics}
    lines = [f"{metrics['name']}: proven Lipschitz bound {metrics['lipschitz_bound']:.9g}"]
    lines.append(" " * 16 + "".join(f"{label:>21}" for label in tables))
    lines.append(f"{'examples':16}" + "".join(f"{t['examples']:>21,}" for t in tables.values()))
    rows = [("clean", [table["clean"] for table in tables.values()])]
    for radius in next(iter(tables.values()))["certified"]:
        shares = [table["certified"][radius] for table in tables.values()]
        rows.append((f"certified {radius}", shares))
    for label, shares in rows:
        lines.append(f"{label:16}" + "".join(f"{100 * share:>19.2f} %" for share in shares))
    return "\n".join(lines)


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


def _terminate(*_):
    raise Terminated


def _fail(error: Exception, code: int) -> int:
    # str() of a KeyError is the repr of its message.
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    print(f"lipzoo: {message}", file=sys.stderr)
    return code
