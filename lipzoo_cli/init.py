"""`lipzoo init --data SOURCE`: a first recipe for a user's own data."""

import argparse
from pathlib import Path

from lipzoo.training.draft import drafted
from lipzoo.training.recipe import line_of, parse_recipe
from lipzoo_cli.arguments import print_json
from lipzoo_cli.checked_outputs import refuse_existing


def init(arguments: argparse.Namespace) -> None:
    """`lipzoo init --data SOURCE [--task T] [--kind K] [--set KEY=VALUE]... [--out FILE]`.

    Raises:
        FileExistsError: if the file is there already; it is never overwritten.
    """
    settings = [*arguments.set, *([f"kind={arguments.kind}"] if arguments.kind else [])]
    text, dataset = drafted(arguments.data, arguments.task, "\n".join(map(line_of, settings)))
    recipe = parse_recipe(text)
    path = Path(arguments.out or f"{recipe.name}.toml")
    refuse_existing(path)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
    if arguments.json:
        about = {"recipe": str(path), "name": recipe.name, "kind": recipe.data.kind}
        print_json({**about, "notes": list(dataset.notes)})
        return
    print(*(f"note: {note}\n" for note in dataset.notes), sep="", end="")
    print(f"wrote {path}: {recipe.model.architecture} for {recipe.data.kind} data")
    print(f"next: fill in description and [registry], then lipzoo train {path}")
