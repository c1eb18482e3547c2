"""Checks of a command's arguments and files before Keras is imported, which takes seconds.

What is found here is what the commands themselves would say later; they check again, since a
recipe's content, say, needs more than this half of lipzoo knows.
"""

import argparse
import contextlib
import importlib.util
import math
import tomllib
from collections.abc import Callable
from pathlib import Path

from lipzoo_catalogue.exported import AlteredFileError, exported_certificate
from lipzoo_catalogue.formatting import parse_fraction
from lipzoo_catalogue.hub.location import HubLocation
from lipzoo_catalogue.image_files import SUFFIXES
from lipzoo_catalogue.installing import how_to_install
from lipzoo_catalogue.json_validation import is_object
from lipzoo_catalogue.onnx_file import check_onnx_file
from lipzoo_cli.arguments import is_exported, is_keras_file, is_onnx
from lipzoo_cli.bundled_recipes import find_recipe
from lipzoo_cli.checked_models import check_classifier, check_model, check_run
from lipzoo_cli.checked_options import (
    check_attack_options,
    check_certify_options,
    check_conformal_options,
    check_reconstruct_options,
)
from lipzoo_cli.checked_outputs import check_matplotlib, check_parent, refuse_existing
from lipzoo_cli.checked_sources import check_source

# Usual endings of exported files; no name of a model has one.
_EXPORTED = (".onnx", ".tflite", ".litert")
# What Matplotlib draws into.
_PICTURES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")


def check_arguments(arguments: argparse.Namespace) -> None:
    """Raises for what is wrong with the arguments of a command that needs Keras.

    Raises:
        ValueError: for an option out of range, or options that do not fit together.
        OSError: for a file or a folder that is not there, or may not be written.
        ImportError: for an optional package that is missing.
    """
    check = _CHECKS.get(arguments.command)
    if check is not None:
        check(arguments)


def _audit(arguments: argparse.Namespace) -> None:
    if not 0 < arguments.claim < math.inf:
        raise ValueError(f"--claim: expected a positive number. Received: {arguments.claim}")
    if arguments.examples < 1:
        raise ValueError(f"--examples: expected a positive number. Received: {arguments.examples}")
    if arguments.steps < 0:
        raise ValueError(f"--steps: expected a number of at least 0. Received: {arguments.steps}")
    for option, ending in (("data", ".npy"), ("out", ".npz")):
        path = getattr(arguments, option)
        if path is not None and Path(path).suffix != ending:
            raise ValueError(f"--{option}: expected a file that ends in {ending}. Received: {path}")
    check_source(arguments.data)
    check_parent(arguments.out, "--out")
    if is_onnx(arguments.model):
        check_onnx_file(Path(arguments.model).expanduser())
    elif is_keras_file(arguments.model):
        check_source(arguments.model)
    else:
        check_model(arguments)


def _certify(arguments: argparse.Namespace) -> None:
    from lipzoo_cli.certified_output import check_printing

    check_certify_options(arguments)
    check_printing(arguments)
    check_classifier(arguments)
    if arguments.engine == "ray" and importlib.util.find_spec("ray") is None:
        raise ImportError(f"--engine: Ray is not installed: {how_to_install('engines')}")
    labels = arguments.labels
    if labels is not None and Path(arguments.data).suffix.lower() != ".npy":
        raise ValueError(
            "--labels: expected examples in an .npy file, which has no labels of its own. "
            f"Received: {arguments.data}"
        )
    for file in (arguments.data, labels):
        check_source(file)


def _conformal(arguments: argparse.Namespace) -> None:
    check_conformal_options(arguments)
    check_classifier(arguments)
    if Path(arguments.calibration).suffix.lower() == ".npy":
        raise ValueError(
            "Expected labelled examples to calibrate with. "
            f"Received: {arguments.calibration}, which has no labels"
        )
    for file in (arguments.calibration, arguments.data):
        check_source(file)


def _evaluate(arguments: argparse.Namespace) -> None:
    check_attack_options(arguments)
    for epsilon in arguments.epsilon or ():
        if parse_fraction(epsilon) < 0:
            raise ValueError(f"--epsilon: expected a number of at least 0. Received: {epsilon}")
    if arguments.seed < 0:
        raise ValueError(f"--seed: expected a number of at least 0. Received: {arguments.seed}")
    if arguments.samples is not None and arguments.samples < 1:
        raise ValueError(f"--samples: expected a positive number. Received: {arguments.samples}")
    check_model(arguments)
    check_source(arguments.data)


def _init(arguments: argparse.Namespace) -> None:
    check_source(arguments.data)
    for option in arguments.set:
        if not option.partition("=")[1]:
            raise ValueError(f"--set: expected KEY=VALUE. Received: {option!r}")
    if arguments.out is not None:
        refuse_existing(Path(arguments.out))
        check_parent(arguments.out, "--out")


def _train(arguments: argparse.Namespace) -> None:
    path = find_recipe(arguments.recipe)
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such recipe file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}") from None
    data: object = recipe.get("data")
    stated = data.get("source") if is_object(data) else None
    source = arguments.data or stated
    if isinstance(source, str):
        check_source(source)
    if arguments.devices is not None and arguments.devices < 1:
        raise ValueError(f"--devices: expected a positive number. Received: {arguments.devices}")
    _check_batches(recipe, arguments.devices or 1)
    if arguments.out is not None and Path(arguments.out).is_file():
        raise NotADirectoryError(f"--out: expected a folder. Received: {arguments.out}, a file")


def _check_batches(recipe: dict[str, object], devices: int) -> None:
    training = recipe.get("training")
    size = training.get("batch_size") if is_object(training) else None
    if isinstance(size, int) and size % devices:
        raise ValueError(
            "batch_size: expected a multiple of the number of devices, which share each batch. "
            f"Received: batch_size={size}, devices={devices}"
        )


def _export(arguments: argparse.Namespace) -> None:
    from lipzoo_catalogue.exported.target import check_target

    check_target(Path(arguments.out).expanduser(), arguments.format, arguments.quantize)
    check_model(arguments)


def _publish(arguments: argparse.Namespace) -> None:
    HubLocation(arguments.repo)
    check_model(arguments)


def _promote(arguments: argparse.Namespace) -> None:
    check_run(arguments.run)
    if arguments.keep_previous and not arguments.replace:
        raise ValueError("Expected --keep-previous with --replace. Received: it alone")


def _demo(arguments: argparse.Namespace) -> None:
    if arguments.examples is not None and not arguments.examples.isdecimal():
        raise ValueError(f"--examples: expected a number. Received: {arguments.examples}")
    if arguments.examples is not None and int(arguments.examples) == 0:
        raise ValueError("--examples: expected at least one example. Received: 0")
    if arguments.output is not None and Path(arguments.output).is_dir():
        raise IsADirectoryError(f"--output: expected a file. Received: folder {arguments.output}")
    ending = Path(arguments.output or "").suffix.lower()
    if ending and ending not in _PICTURES:
        raise ValueError(
            f"--output: expected a picture ({', '.join(_PICTURES)}). Received: {arguments.output}"
        )
    check_parent(arguments.output, "--output")
    check_matplotlib("lipzoo demo draws a figure")


def _reconstruct(arguments: argparse.Namespace) -> None:
    check_reconstruct_options(arguments)
    check_model(arguments)
    if Path(arguments.data).suffix.lower() not in (".npy", *SUFFIXES):
        raise ValueError(
            f"Expected measurements in an .npy file or an image. Received: {arguments.data}"
        )
    check_source(arguments.data)


def _verify(arguments: argparse.Namespace) -> None:
    path = Path(arguments.model).expanduser()
    if path.suffix.lower() in _EXPORTED and not path.exists():
        raise FileNotFoundError(f"{arguments.model}: no such file")
    if arguments.against is None:
        check_model(arguments)
        return
    if not is_exported(arguments.model):
        raise ValueError(
            "--model goes with an exported file, or the folder of a SavedModel. "
            f"Received: {arguments.model}"
        )
    if arguments.certificate:
        raise ValueError("--certificate is about a model. Received: --certificate with --model")
    # Whether the file was altered is for the command to say.
    with contextlib.suppress(AlteredFileError):
        exported_certificate(arguments.model)
    check_model(arguments, arguments.against)


_CHECKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "audit": _audit,
    "certify": _certify,
    "conformal": _conformal,
    "demo": _demo,
    "evaluate": _evaluate,
    "export": _export,
    "init": _init,
    "promote": _promote,
    "publish": _publish,
    "reconstruct": _reconstruct,
    "train": _train,
    "verify": _verify,
}
