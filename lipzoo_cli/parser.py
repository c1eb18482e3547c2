"""The parser of the `lipzoo` command, which imports nothing that takes time."""

import argparse

from lipzoo_cli.exit_codes import EXIT_CODES
from lipzoo_cli.usage.audit import AUDIT
from lipzoo_cli.usage.catalogue import CARD, DOWNLOAD, INFO, LIST
from lipzoo_cli.usage.certify import CERTIFY
from lipzoo_cli.usage.conformal import CONFORMAL
from lipzoo_cli.usage.demo import DEMO
from lipzoo_cli.usage.evaluate import EVALUATE
from lipzoo_cli.usage.export import EXPORT
from lipzoo_cli.usage.hub import PUBLISH, VERIFY
from lipzoo_cli.usage.init import INIT
from lipzoo_cli.usage.join import JOIN
from lipzoo_cli.usage.options import add_hub_options
from lipzoo_cli.usage.reconstruct import RECONSTRUCT
from lipzoo_cli.usage.train import PROMOTE, RECIPE, TRAIN
from lipzoo_cli.usage.usage import Usage

# What answers from files, what loads a model and computes with it, what makes one and hands it on.
_READING = (LIST, INFO, CARD, DOWNLOAD)
_MEASURING = (VERIFY, CERTIFY, JOIN, CONFORMAL, RECONSTRUCT, EVALUATE, AUDIT, DEMO)
_MAKING = (INIT, RECIPE, TRAIN, PROMOTE, EXPORT, PUBLISH)

USAGES: dict[str, Usage] = {usage.name: usage for usage in (*_READING, *_MEASURING, *_MAKING)}
"""All commands by name, in the order of the help."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    return _parsers()[0]


def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands by name."""
    return _parsers()[1]


def _parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    parser = argparse.ArgumentParser(
        prog="lipzoo",
        description="Neural networks whose Lipschitz constant is bounded by a proof.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--install-completion",
        metavar="SHELL",
        nargs="?",
        const="auto",
        help="let the shell (bash, zsh or fish; by default the one in use) complete commands, "
        "options, models and recipes",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    found: dict[str, argparse.ArgumentParser] = {}
    for usage in USAGES.values():
        command = commands.add_parser(
            usage.name,
            help=usage.summary,
            description=usage.summary,
            epilog=f"example:\n  {usage.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if usage.json:
            command.add_argument("--json", action="store_true", help="print JSON")
        if usage.hub:
            add_hub_options(command)
        usage.add_arguments(command)
        found[usage.name] = command
    return parser, found
