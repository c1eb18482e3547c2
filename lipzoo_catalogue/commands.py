"""The commands that answer without Keras: those that read files, and `verify --certificate`."""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

from lipzoo_catalogue.hub.client import HubSettings
from lipzoo_catalogue.numbers import format_size, format_up
from lipzoo_catalogue.outcome import CheckFailed


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
        bound = format_up(model.lipschitz_bound, 5)
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
    from lipzoo_catalogue.sources import find

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


def check(arguments: argparse.Namespace) -> None:
    """`lipzoo verify MODEL --certificate [--json]`."""
    # Read when NumPy is imported: small matrices gain nothing from more threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from lipzoo_catalogue.checker import CONFIRMED
    from lipzoo_catalogue.checking import check_source
    from lipzoo_catalogue.sources import find

    source = find(
        model_of(arguments.model),
        revision=arguments.revision,
        settings=settings_of(arguments),
        want="everything",
    )
    report = check_source(source)
    print_json(report.to_dict()) if arguments.json else print(report)
    if report.verdict != CONFIRMED:
        raise CheckFailed(f"{arguments.model}: the certificate is {report.verdict}")


def join(arguments: argparse.Namespace) -> None:
    """`lipzoo join OUT PART... [--epsilon E] [--abstain-below R] [--json]`."""
    from lipzoo_catalogue.join_command import join

    join(arguments)


def check_exported(arguments: argparse.Namespace) -> None:
    """`lipzoo verify FILE [--json]`: whether an exported file's certificate belongs to it."""
    from lipzoo_catalogue.exported import AlteredFileError, exported_certificate

    try:
        certificate = exported_certificate(arguments.model)
    except AlteredFileError as error:
        raise CheckFailed(error) from None
    if arguments.json:
        print_json({"path": str(arguments.model), "unchanged": True, **certificate.to_dict()})
        return
    print(certificate)
    print(
        f"unchanged since its export: {arguments.model}; whether it is of a model that you trust, "
        "`--model NAME_OR_PATH` tells"
    )


def is_exported(text: str) -> bool:
    """Whether a user names an exported file, or the folder of a SavedModel, and no model."""
    from lipzoo_catalogue.registry import list_models

    path = Path(text).expanduser()
    return text not in list_models() and (path.is_file() or (path / "saved_model.pb").is_file())


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "list": list_models,
    "info": info,
    "card": card,
    "download": download,
    "join": join,
}


def command_without_keras(arguments: argparse.Namespace) -> Callable | None:
    """The function of a command that answers without Keras; `None` for one that needs it."""
    if arguments.command == "verify":
        if is_exported(arguments.model):
            return check_exported if arguments.against is None else None
        if arguments.certificate:
            return check
    return COMMANDS.get(arguments.command)


def settings_of(arguments: argparse.Namespace) -> HubSettings:
    """How the Hub is reached, from the options of a command."""
    return HubSettings(arguments.cache_dir, arguments.offline)


def model_of(text: str) -> str | Path:
    """What a user names: a name of the zoo means the same wherever it is typed, else a folder."""
    from lipzoo_catalogue.registry import list_models

    return Path(text) if text not in list_models() and Path(text).is_dir() else text


def print_json(values) -> None:
    """Prints indented JSON."""
    print(json.dumps(values, indent=2, ensure_ascii=False))


def _described(arguments):
    from lipzoo_catalogue.model_info import describe
    from lipzoo_catalogue.sources import find

    source = find(
        model_of(arguments.model),
        revision=arguments.revision,
        settings=settings_of(arguments),
        want="description",
    )
    return describe(source)
