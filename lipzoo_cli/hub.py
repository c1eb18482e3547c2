"""`lipzoo verify` and `lipzoo publish`: a model is checked, and handed on."""

import argparse

from lipzoo.exporting.comparison import compare
from lipzoo.zoo.publishing import Package, prepare, send
from lipzoo.zoo.verification import verify as verify_model
from lipzoo_catalogue.exported import AlteredFileError
from lipzoo_cli.arguments import model_of, print_json
from lipzoo_cli.exit_codes import CheckFailed
from lipzoo_cli.named_model import named_model


def verify(arguments: argparse.Namespace) -> None:
    """`lipzoo verify MODEL [--json]`, or `lipzoo verify FILE --model MODEL [--json]`."""
    if arguments.against is not None:
        _compare_exported(arguments)
        return
    verification = verify_model(
        model_of(arguments.model),
        revision=arguments.revision,
        cache_dir=arguments.cache_dir,
        local_files_only=arguments.offline,
        report=None if arguments.json else print,
    )
    if arguments.json:
        print_json(verification.to_dict())
    else:
        print(str(verification).splitlines()[-1])
    if not verification.passed:
        failed = [check.what for check in verification.checks if not check.passed]
        raise CheckFailed(f"{arguments.model} is not to be used: failed at {', '.join(failed)}")


def _compare_exported(arguments: argparse.Namespace) -> None:
    model = named_model(arguments.against, arguments, "float32")
    try:
        comparison = compare(arguments.model, model)
    except AlteredFileError as error:
        raise CheckFailed(error) from None
    if arguments.json:
        print_json({"path": arguments.model, "same": comparison.same, **vars(comparison)})
    else:
        print(f"{arguments.model} beside {arguments.against}: {comparison}")
    if not comparison.same:
        raise CheckFailed(f"{arguments.model} is not what {arguments.against} exports to")


def publish(arguments: argparse.Namespace) -> None:
    """`lipzoo publish MODEL --repo OWNER/NAME [--dry-run] [--json] ...`."""
    package = prepare(model_of(arguments.model), arguments.repo)
    if arguments.dry_run:
        _print_package(arguments, package)
        return
    publication, entry = send(
        package,
        private=arguments.private,
        replace_card=arguments.replace_card,
        tag=arguments.tag,
    )
    entries = {entry.name: entry.to_dict()}
    if arguments.json:
        print_json({**vars(publication), "registry": entries})
        return
    print(f"published: {publication}\n{publication.url}")
    if publication.card_kept:
        print("README.md there was edited by hand and stays; --replace-card replaces it")
    print("\nentry for weights/registry.json:")
    print_json(entries)


def _print_package(arguments: argparse.Namespace, package: Package) -> None:
    if arguments.json:
        values = {"name": package.name, "repo": package.repo, "card": package.card}
        print_json({**values, "files": package.entry().to_dict()["files"]})
        return
    print(f"{package}\n\nREADME.md:\n\n{package.card}", end="")
