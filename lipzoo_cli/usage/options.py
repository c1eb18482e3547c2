"""Options and texts that several commands have."""

import argparse

MODEL = "name in the zoo, a folder, or hf://owner/repo[@revision]"


def add_hub_options(command: argparse.ArgumentParser) -> None:
    """Options of commands that read models on the Hub."""
    group = command.add_argument_group(
        "models on the Hub",
        "A token for private repositories is taken from HF_TOKEN or `hf auth login`; HF_ENDPOINT, "
        "HF_HOME and HF_HUB_OFFLINE are honoured.",
    )
    group.add_argument("--revision", metavar="R", help="full commit id, tag or branch")
    group.add_argument("--cache-dir", metavar="DIR", help="the Hub's cache")
    group.add_argument("--offline", action="store_true", help="make no request")


def add_printing(command: argparse.ArgumentParser) -> None:
    """Options about what is counted of certified examples."""
    command.add_argument(
        "--epsilon",
        metavar="E",
        action="append",
        help="radius, such as 0.25 or 36/255, at which to count; may be repeated",
    )
    command.add_argument(
        "--abstain-below",
        metavar="R",
        help="abstain where the radius is at most R: print coverage, accuracy of the covered, and "
        "the report of the first examples",
    )


def add_dtype(command: argparse.ArgumentParser) -> None:
    """The option about the arithmetic of the network."""
    command.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="arithmetic of the network, whose rounding the radii account for (default: float32); "
        "float64 certifies more and takes longer",
    )
