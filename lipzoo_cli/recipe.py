"""`lipzoo recipe`: the text of a recipe that lipzoo brings."""

import argparse

from lipzoo_cli.arguments import print_json
from lipzoo_cli.bundled_recipes import find_recipe


def recipe(arguments: argparse.Namespace) -> None:
    """`lipzoo recipe NAME [--json]`."""
    path = find_recipe(arguments.recipe)
    text = path.read_text(encoding="utf-8")
    if arguments.json:
        print_json({"name": path.stem, "recipe": text})
    else:
        print(text, end="")
