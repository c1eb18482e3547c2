"""`lipzoo join`: the parts of a certified data set, which processes made, as one file."""

import argparse
from pathlib import Path

from lipzoo_catalogue.certified.parts import join as join_parts
from lipzoo_catalogue.certified.parts import read_part
from lipzoo_catalogue.certified.writing import check_out, write_certified
from lipzoo_cli.certified_output import check_printing, show


def join(arguments: argparse.Namespace) -> None:
    """`lipzoo join OUT PART... [--epsilon E] [--abstain-below R] [--json]`."""
    out = Path(arguments.out)
    check_out(out, "OUT")
    radii, threshold = check_printing(arguments)
    parts = [read_part(path) for path in arguments.parts]
    certified = join_parts(arguments.parts, parts)
    write_certified(out, certified, threshold)
    settings = parts[0].settings
    about = {"model": settings["model"], "parts": len(parts), "dtype": settings["dtype"]}
    show(certified, about, radii, arguments)
