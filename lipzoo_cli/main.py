"""Entry point of the `lipzoo` command: parses and checks the arguments before Keras is imported.

`import lipzoo` registers Keras classes and takes seconds, which `lipzoo list`, `lipzoo info`,
`--help` and a mistyped option need not wait for: a command is imported when it is known.
"""

import argparse
import importlib
import logging
import os
import re
import sys

from lipzoo_catalogue.backend import check_backend
from lipzoo_catalogue.native_messages import without_native_messages
from lipzoo_cli.exit_codes import Command, run_command
from lipzoo_cli.parser import USAGES, build_parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code.

    Args:
        argv: the arguments; `None` for those of the process.

    Returns:
        0 done, 1 a check failed, 2 input error, 3 trouble with the Hub, 130 or 143 interrupted.
    """
    parser = build_parser()
    words = sys.argv[1:] if argv is None else argv
    try:
        arguments = parser.parse_args(_with_negative_numbers(words))
    except SystemExit as stop:
        if stop.code:
            _suggest_command(words)
        return int(stop.code or 0)
    if arguments.version:
        from lipzoo_catalogue.version import __version__

        print(__version__)
        return 0
    if arguments.install_completion is not None:
        return run_command(_install_completion, arguments)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return 2
    where = _without_keras(arguments)
    if where is not None:
        return run_command(_imported(where), arguments)
    from lipzoo_cli.preflight import check_arguments

    return run_command(check_arguments, arguments) or _run_with_keras(arguments)


def _install_completion(arguments: argparse.Namespace) -> None:
    from lipzoo_cli.completion import install_completion

    print(install_completion(arguments.install_completion))


def _with_negative_numbers(argv: list[str]) -> list[str]:
    """The same, where a fraction such as -1/2 is no option: to `argparse`, -0.5 alone is none."""
    return [f" {word}" if re.match(r"-\.?\d", word) else word for word in argv]


def _suggest_command(argv: list[str]) -> None:
    """Names the commands that an unknown one may have meant."""
    from lipzoo_catalogue.near_names import did_you_mean

    word = next((word for word in argv if not word.startswith("-")), "")
    advice = "" if word in USAGES else did_you_mean(word, USAGES)
    if advice:
        print(advice, file=sys.stderr)


def _without_keras(arguments: argparse.Namespace) -> str | None:
    """Where a command is that answers without Keras; `None` for one that needs it."""
    if arguments.command == "verify":
        from lipzoo_cli.arguments import is_exported

        if is_exported(arguments.model):
            return "check_certificate:check_exported" if arguments.against is None else None
        if arguments.certificate and arguments.against is None:
            return "check_certificate:check"
    usage = USAGES[arguments.command]
    return None if usage.needs_keras else usage.run


def _run_with_keras(arguments: argparse.Namespace) -> int:
    try:
        check_backend()
    except (ImportError, ValueError) as error:
        return _refused(error)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    refused = None
    # The backend's start-up messages come before any logging level is read.
    with without_native_messages():
        import keras

        from lipzoo.exporting.child import ExportError
        from lipzoo.training import DivergedError, TrainingError
        from lipzoo.training.run_folder import CheckpointError

        command = _imported(USAGES[arguments.command].run)
        # Certifying several models one after another is no mistake, though TensorFlow warns of it.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        try:
            _prepare_backend(arguments)
            # The backend looks for its devices at the first operation.
            keras.ops.zeros(())
        except RuntimeError as error:
            refused = error
    if refused is not None:
        return _refused(refused)
    return run_command(
        command,
        arguments,
        failures=(DivergedError,),
        mistakes=(TrainingError, CheckpointError, ExportError, TypeError),
    )


def _prepare_backend(arguments: argparse.Namespace) -> None:
    """Joins the processes and makes the devices that a command asks for, before the backend starts.

    Raises:
        TrainingError: if the environment names a job that makes no sense.
    """
    import keras

    from lipzoo.training import devices, processes

    if arguments.command == "train":
        processes.join_job()
    if (getattr(arguments, "devices", None) or 1) > 1 and keras.backend.backend() == "tensorflow":
        devices.divide_processor(arguments.devices)


def _imported(where: str) -> Command:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(f"lipzoo_cli.{module}"), name)


def _refused(error: Exception) -> int:
    print(f"lipzoo: {error}", file=sys.stderr)
    return 2
