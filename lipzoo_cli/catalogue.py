"""`lipzoo list`, `info`, `card` and `download`: what is known of models, and their files."""

import argparse
from typing import TYPE_CHECKING

from lipzoo_catalogue.formatting import format_size, format_up
from lipzoo_cli.arguments import model_of, print_json, settings_of

if TYPE_CHECKING:
    from lipzoo_catalogue.model_info import ModelInfo


def list_models(arguments: argparse.Namespace) -> None:
    """`lipzoo list [PATTERN] [--long] [--json]`."""
    from lipzoo_catalogue.registry import list_models

    names = list_models(arguments.pattern)
    if not names:
        raise KeyError(f"no model matches {arguments.pattern!r}")
    if not (arguments.long or arguments.json):
        print("\n".join(names))
        return
    from lipzoo_catalogue.model_info import info
    from lipzoo_catalogue.tasks import TASKS

    models = [info(name) for name in names]
    if arguments.json:
        print_json([model.to_dict() for model in models])
        return
    width = max(map(len, names))
    for model in models:
        results = TASKS[model.task].summary(model.metrics) if model.metrics else ""
        claimed = model.lipschitz_bound
        bound = "" if claimed is None else format_up(claimed, 5)
        print(f"{model.name:<{width}}  {model.parameters:>10,}  bound {bound:<12}  {results}")


def info(arguments: argparse.Namespace) -> None:
    """`lipzoo info MODEL [--json]`."""
    known = _described(arguments)
    print_json(known.to_dict()) if arguments.json else print(known)


def card(arguments: argparse.Namespace) -> None:
    """`lipzoo card MODEL [--repo OWNER/NAME] [--json]`."""
    from lipzoo_catalogue.cards import hub_card, plain_card
    from lipzoo_catalogue.hub.location import HubLocation

    known = _described(arguments)
    if arguments.repo is None:
        address = str(arguments.model) if str(arguments.model).startswith("hf://") else None
        text = plain_card(known, address)
    else:
        text = hub_card(known, HubLocation(arguments.repo).repo)
    if arguments.json:
        print_json({"name": known.name, "repo": arguments.repo, "card": text})
    else:
        print(text, end="")


def download(arguments: argparse.Namespace) -> None:
    """`lipzoo download MODEL [--revision R] [--cache-dir DIR] [--force] [--json]`."""
    from lipzoo_catalogue.files import MODEL_FILES
    from lipzoo_catalogue.model_source import find

    source = find(
        arguments.model,
        revision=arguments.revision,
        settings=settings_of(arguments),
        want="everything",
        force=arguments.force,
    )
    bundled = "comes with lipzoo; there is nothing to download"
    what = {"Hub": "is in the cache", "zoo": bundled, "folder": "is a folder"}[source.origin]
    files = {file: source.read(file) for file in MODEL_FILES if source.has(file)}
    if arguments.json:
        print_json(
            {
                "name": source.name,
                "location": None if source.location is None else str(source.location),
                "folder": str(source.folder),
                "files": {file: len(content) for file, content in files.items()},
            }
        )
        return
    print(f"{source.location or source.name} {what}: {source.folder}")
    for file, content in files.items():
        print(f"  {file:<18} {format_size(len(content)):>10}  checked")


def _described(arguments: argparse.Namespace) -> "ModelInfo":
    from lipzoo_catalogue.model_info import describe
    from lipzoo_catalogue.model_source import find

    source = find(
        model_of(arguments.model),
        revision=arguments.revision,
        settings=settings_of(arguments),
        want="description",
    )
    return describe(source)
