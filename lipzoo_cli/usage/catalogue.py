"""How `lipzoo list`, `info`, `card` and `download` are called."""

import argparse

from lipzoo_cli.usage.options import MODEL
from lipzoo_cli.usage.usage import Usage


def _list(command: argparse.ArgumentParser) -> None:
    command.add_argument("pattern", nargs="?", default="*", help="shell pattern (default: all)")
    command.add_argument("--long", action="store_true", help="with data, bound and results")


LIST = Usage(
    name="list",
    summary="List the models of the zoo.",
    example="lipzoo list 'gradflow-*' --long",
    add_arguments=_list,
    run="catalogue:list_models",
    needs_keras=False,
)


def _info(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=MODEL)


INFO = Usage(
    name="info",
    summary="Show what is known about one model.",
    example="lipzoo info gradflow-fmnist",
    add_arguments=_info,
    run="catalogue:info",
    needs_keras=False,
    hub=True,
)


def _card(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=MODEL)
    command.add_argument(
        "--repo",
        metavar="OWNER/NAME",
        help="print the README for this repository on the Hub, with its YAML front matter",
    )


CARD = Usage(
    name="card",
    summary="Print the card of a model, rendered from its files.",
    example="lipzoo card gradflow-fmnist",
    add_arguments=_card,
    run="catalogue:card",
    needs_keras=False,
    hub=True,
)


def _download(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="name in the zoo, or hf://owner/repo[@revision]")
    command.add_argument(
        "--force", action="store_true", help="download again what is in the cache already"
    )


DOWNLOAD = Usage(
    name="download",
    summary="Download all files of a model into the Hub's cache.",
    example="lipzoo download hf://owner/repo@v1",
    add_arguments=_download,
    run="catalogue:download",
    needs_keras=False,
    hub=True,
)
