"""How `lipzoo init` is called."""

import argparse

from lipzoo_catalogue.task_names import CLASSIFICATION, TASK_NAMES
from lipzoo_cli.usage.usage import Usage


def _init(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        metavar="SOURCE",
        required=True,
        help="a file or a folder, or what a recipe's source can be otherwise",
    )
    command.add_argument(
        "--task",
        choices=TASK_NAMES,
        default=CLASSIFICATION,
        help="what to learn (default: classification)",
    )
    command.add_argument(
        "--kind",
        choices=("image", "signal", "table"),
        help="what an example is, where its shape leaves that open",
    )
    command.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a further line of the recipe's [data] table, such as missing=drop; may be repeated",
    )
    command.add_argument("--out", metavar="FILE", help="the recipe (default: named as the data)")


INIT = Usage(
    name="init",
    summary="Write a recipe that fits your data, to be trained as it is or changed; nothing is "
    "overwritten.",
    example="lipzoo init --data my_images/ --out mine.toml",
    add_arguments=_init,
    run="init:init",
)
