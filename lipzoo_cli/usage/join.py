"""How `lipzoo join` is called."""

import argparse

from lipzoo_cli.usage.options import add_printing
from lipzoo_cli.usage.usage import Usage


def _join(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "out",
        metavar="OUT",
        help="what --out of lipzoo certify is: a .csv, .json, .npz or .parquet file",
    )
    command.add_argument(
        "parts",
        metavar="PART",
        nargs="+",
        help="the .npz or .parquet files of all parts, in any order",
    )
    add_printing(command)


JOIN = Usage(
    name="join",
    summary="Join the parts of a certified data set, made by lipzoo certify --shard, to one file.",
    example="lipzoo join radii.csv part-1.npz part-2.npz",
    add_arguments=_join,
    run="join:join",
    needs_keras=False,
)
