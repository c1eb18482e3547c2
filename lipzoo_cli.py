"""Entry point of the `lipzoo` command: parses the arguments before Keras is imported.

It stands beside the package, not in it: `import lipzoo` registers Keras classes and takes seconds,
which `lipzoo list`, `lipzoo info`, `--help` and a mistyped option need not wait for. Commands that
need Keras are in `lipzoo.cli`, the others in `lipzoo_catalogue.commands`.
"""

import contextlib
import logging
import os
import sys
import tempfile

from lipzoo_catalogue.command_line import build_parser

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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _without_native_messages():
        import keras

        from lipzoo import cli

        # Certifying several models one after another is no mistake, though TensorFlow warns of it.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        cli.divide_processor(arguments)
        # The backend looks for its devices at the first operation.
        keras.ops.zeros(())
    return cli.run(arguments)


@contextlib.contextmanager
def _without_native_messages():
    """Keeps the backend's start-up messages from stderr, unless the start fails.

    They come from compiled code before any logging level is read, so only the descriptor can
    be turned away.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as messages:
        saved = os.dup(2)
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except BaseException:
            messages.seek(0)
            os.write(saved, messages.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


if __name__ == "__main__":
    sys.exit(main())
