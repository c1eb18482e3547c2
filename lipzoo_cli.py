"""Entry point of the `lipzoo` command: parses the arguments before Keras is imported.

It stands beside the package, not in it: `import lipzoo` registers Keras classes and takes seconds,
which `lipzoo --help` and a mistyped option need not wait for. The commands are in `lipzoo.cli`.
"""

import argparse
import contextlib
import logging
import os
import sys
import tempfile

_EXIT_CODES = """\
exit codes:
  0  done
  1  a check failed: recomputed numbers differ from the published ones, a bound does not hold,
     training diverged
  2  usage or input error: unknown name or option, unusable recipe, data or folder
  130, 143  interrupted (Ctrl-C, SIGTERM); continue a training with --resume
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="lipzoo",
        description="Neural networks whose Lipschitz constant is bounded by a proof.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name, summary, example):
        return commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    command = add(
        "train",
        "Train the model of a recipe and write a run folder.",
        "lipzoo train recipes/gradflow-fmnist.toml --data my_images/ --out runs/mine",
    )
    command.add_argument("recipe", help="a TOML file, or the name of a recipe that lipzoo brings")
    command.add_argument(
        "--data",
        metavar="SOURCE",
        help="use another data source: tfds:NAME, sklearn:NAME, an .npz or .csv file, or a folder "
        "with one subfolder of images per class",
    )
    command.add_argument("--out", metavar="DIR", help="run folder (default: runs/<recipe's name>)")
    command.add_argument(
        "--resume", action="store_true", help="continue a run that was interrupted or killed"
    )

    command = add(
        "promote",
        "Check a finished run and put it into the zoo's weights folder.",
        "lipzoo promote runs/gradflow-fmnist",
    )
    command.add_argument("run", help="run folder")
    command.add_argument("--name", help="name in the zoo (default: the recipe's)")
    command.add_argument("--weights", metavar="DIR", help="weights folder (default: the zoo's)")

    command.add_argument(
        "--replace", action="store_true", help="replace a model of that name with other weights"
    )

    command = add(
        "evaluate",
        "Recompute the bound, clean and certified accuracy of a model on its test split.",
        "lipzoo evaluate gradflow-fmnist",
    )
    command.add_argument("model", help="name in the zoo, or a run folder")
    command.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="arithmetic of the network, whose rounding the radii account for (default: float32); "
        "float64 certifies more and takes longer",
    )
    command.add_argument(
        "--data", metavar="SOURCE", help="another data source; its test split is used"
    )
    command.add_argument(
        "--epsilon",
        metavar="E",
        action="append",
        help="radius, such as 0.25 or 36/255; may be repeated (default: those of the recipe)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")

    command = add(
        "demo",
        "Load, bound, certify, attack and fine-tune a model, and draw the result.",
        "lipzoo demo --output certificates.png",
    )
    command.add_argument("--output", metavar="FILE", help="the figure (default: lipzoo-demo.png)")
    command.add_argument("--examples", metavar="N", help="number of test images (default: all)")
    command.add_argument(
        "--digits", action="store_true", help="use scikit-learn's digits, which need no download"
    )

    command = add("list", "List the models of the zoo.", "lipzoo list 'gradflow-*'")
    command.add_argument("pattern", nargs="?", default="*", help="shell pattern (default: all)")

    command = add("info", "Show what is known about one model.", "lipzoo info gradflow-fmnist")
    command.add_argument("name", help="name in the zoo")
    return parser


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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _without_native_messages():
        import keras

        from lipzoo import cli

        # Certifying several models one after another is no mistake, though TensorFlow warns of it.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
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
