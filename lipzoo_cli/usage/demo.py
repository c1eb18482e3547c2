"""How `lipzoo demo` is called."""

import argparse

from lipzoo_cli.usage.usage import Usage


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--output",
        metavar="FILE",
        help="the figure (default: lipzoo-demo.png), with a page beside it as .html",
    )
    command.add_argument("--examples", metavar="N", help="number of test images (default: all)")
    command.add_argument(
        "--digits", action="store_true", help="use scikit-learn's digits, which need no download"
    )


DEMO = Usage(
    name="demo",
    summary="Load, bound, certify, attack and fine-tune a model; draw it, and write a page of it.",
    example="lipzoo demo --output certificates.png",
    add_arguments=_demo,
    run="demo:demo",
    json=False,
)
