"""`python -m studies.figures`: draws the figures again from what was measured, without measuring.

Those of reconstructions need the data as well: `python -m studies.inverse --draw`.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from lipzoo.training.run_folder import write_figure
from studies import (
    activations,
    attacks,
    frontier,
    stability_figure,
    swissroll_figure,
    tradeoff,
    transfer_figure,
)

HERE = Path(__file__).parent


def _write(draw, key=None) -> Callable[[dict, Path], None]:
    """Writes what a function draws of the results, or of a part of them."""

    def write(results: dict, path: Path) -> None:
        write_figure(path, draw(results if key is None else results[key]))

    return write


FIGURES: dict[str, Callable[[dict, Path], None]] = {
    "activations": _write(activations.draw, "networks"),
    "attacks": attacks.draw,
    "frontier": _write(frontier.draw),
    "stability": stability_figure.figure,
    "swissroll": _write(swissroll_figure.draw, "networks"),
    "tradeoff": _write(tradeoff.draw, "points"),
    "transfer": _write(transfer_figure.draw, "networks"),
}
"""By the name of results and figure, what draws it into a file."""


def main(arguments=None):
    """Draws all figures, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m studies.figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    options = parser.parse_args(arguments)
    for name in options.names or FIGURES:
        results = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
        FIGURES[name](results, options.output / f"{name}.png")


if __name__ == "__main__":
    main()
