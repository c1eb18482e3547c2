"""Entry point of the `lipzoo` command: parses the arguments before Keras is imported.

It stands beside the package, not in it: `import lipzoo` registers Keras classes and takes seconds,
which `lipzoo list`, `lipzoo info`, `--help` and a mistyped option need not wait for. Commands that
need Keras are in `lipzoo.cli`, the others in `lipzoo_catalogue.commands`.
"""

import logging
import os
import sys

from lipzoo_catalogue.backend import check_backend
from lipzoo_catalogue.command_line import build_parser
from lipzoo_catalogue.quiet import without_native_messages

__all__ = ["build_parser", "main"]


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    if arguments.command is None and not arguments.version:
        parser.print_help(sys.stderr)
        return 2
    from lipzoo_catalogue.commands import command_without_keras

    command = command_without_keras(arguments)
    if command is not None:
        from lipzoo_catalogue.outcome import run_command

        return run_command(command, arguments)
    from lipzoo_catalogue.outcome import run_command
    from lipzoo_catalogue.preflight import check_arguments

    code = run_command(check_arguments, arguments)
    if code:
        return code
    try:
        check_backend()
    except (ImportError, ValueError) as error:
        print(f"lipzoo: {error}", file=sys.stderr)
        return 2
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # The backend's start-up messages come before any logging level is read.
    refused = None
    with without_native_messages():
        import keras

        from lipzoo import cli

        # Certifying several models one after another is no mistake, though TensorFlow warns of it.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        try:
            cli.prepare_backend(arguments)
            # The backend looks for its devices at the first operation.
            keras.ops.zeros(())
        except RuntimeError as error:
            refused = error
    if refused is not None:
        print(f"lipzoo: {refused}", file=sys.stderr)
        return 2
    return cli.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
