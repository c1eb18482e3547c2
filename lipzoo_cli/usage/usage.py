"""What the parser and the dispatch need to know of a command."""

import argparse
from collections.abc import Callable
from typing import NamedTuple


# Importing dataclasses would add a tenth to the time of `--help`.
class Usage(NamedTuple):
    """How one command is called, and where it is.

    Args:
        name: the word after `lipzoo`.
        summary: a sentence for the help.
        example: a line of a shell for the help.
        add_arguments: adds the command's own arguments to its parser.
        run: module in `lipzoo_cli` and function of the parsed arguments, as `"module:function"`.
        needs_keras: whether that module imports Keras; otherwise the command answers from files.
        json: whether it takes `--json`.
        hub: whether it takes the options about models on the Hub.
    """

    name: str
    summary: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: str
    needs_keras: bool = True
    json: bool = True
    hub: bool = False
