"""`lipzoo init --data SOURCE`: a first recipe for a user's own data."""

import argparse
from pathlib import Path

from lipzoo.training.draft import draft_recipe
from lipzoo.training.recipe import parse_recipe
from lipzoo_catalogue.commands import print_json


def init(arguments: argparse.Namespace) -> None:
    """`lipzoo init --data SOURCE [--task T] [--kind K] [--set KEY=VALUE]... [--out FILE]`.

    Raises:
        FileExistsError: if the file is there already; it is never overwritten.
    """
    if arguments.out is not None:
        _refuse_existing(Path(arguments.out))
    settings = [*arguments.set, *([f'kind = "{arguments.kind}"'] if arguments.kind else [])]
    text = draft_recipe(arguments.data, arguments.task, "\n".join(settings))
    recipe = parse_recipe(text)
    path = Path(arguments.out or f"{recipe.name}.toml")
    _refuse_existing(path)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
    if arguments.json:
        print_json({"recipe": str(path), "name": recipe.name, "kind": recipe.data.kind})
        return
    print(f"wrote {path}: {recipe.model.architecture} for {recipe.data.kind} data")
    print(f"next: fill in description and [registry], then lipzoo train {path}")


def _refuse_existing(path):
    if path.exists():
        raise FileExistsError(f"{path} is there already and stays as it is; choose another --out")
