"""`lipzoo verify --certificate` and `lipzoo verify FILE`: certificates checked without Keras."""

import argparse
import os

# Read when NumPy is imported: small matrices gain nothing from more threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from lipzoo_catalogue.checker import CONFIRMED, Report, check_certificate
from lipzoo_catalogue.exported import AlteredFileError, exported_certificate
from lipzoo_catalogue.files import CERTIFICATE, CONFIG, METRICS, WEIGHTS
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import Source, find
from lipzoo_cli.arguments import model_of, print_json, settings_of
from lipzoo_cli.exit_codes import CheckFailed


def check(arguments: argparse.Namespace) -> None:
    """`lipzoo verify MODEL --certificate [--json]`."""
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


def check_exported(arguments: argparse.Namespace) -> None:
    """`lipzoo verify FILE [--json]`: whether an exported file's certificate belongs to it."""
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


def check_source(source: Source) -> Report:
    """Reads the files of a model, hashes checked, and derives the claimed bound independently.

    Args:
        source: from `lipzoo_catalogue.model_source.find`.

    Returns:
        A `Report`; the bound that `metrics.json` states, if there is one, is checked as well.

    Raises:
        FileNotFoundError: if a file is missing.
        CheckFailed: if a file was altered since the certificate was made.
        ValueError: if a file is malformed, or the checker does not know what it describes.

    Example:

    >>> from lipzoo_catalogue.model_source import find
    >>> check_source(find("hamnet-swissroll")).verdict
    'confirmed'
    """
    if source.claim is None:
        raise FileNotFoundError(
            f"{source.folder}: expected {CERTIFICATE}, the certificate to be checked"
        )
    files = [file for file in (CONFIG, WEIGHTS, CERTIFICATE, METRICS) if source.has(file)]
    try:
        contents = {file: source.read(file) for file in files}
    except ValueError as error:
        raise CheckFailed(str(error)) from None
    certificate = source.parse_json(CERTIFICATE, contents[CERTIFICATE])
    config = ModelConfig.from_dict(source.parse_json(CONFIG, contents[CONFIG]), source.path(CONFIG))
    others: dict[str, object] = {}
    if METRICS in contents:
        metrics = source.parse_json(METRICS, contents[METRICS])
        if "lipschitz_bound" in metrics:
            others[f"the whole model, in {METRICS}"] = metrics["lipschitz_bound"]
    return check_certificate(source.name, config.to_dict(), contents[WEIGHTS], certificate, others)
