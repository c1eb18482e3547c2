"""The certificate of a model that was found, checked by `lipzoo_catalogue.checker`."""

from lipzoo_catalogue.checker import Report, check_certificate
from lipzoo_catalogue.config import ModelConfig
from lipzoo_catalogue.files import CERTIFICATE, CONFIG, METRICS, WEIGHTS
from lipzoo_catalogue.outcome import CheckFailed
from lipzoo_catalogue.sources import Source


def check_source(source: Source) -> Report:
    """Reads the files of a model, hashes checked, and derives the claimed bound independently.

    Args:
        source: from `lipzoo_catalogue.sources.find`.

    Returns:
        A `Report`; the bound that `metrics.json` states, if there is one, is checked as well.

    Raises:
        FileNotFoundError: if a file is missing.
        CheckFailed: if a file was altered since the certificate was made.
        ValueError: if a file is malformed, or the checker does not know what it describes.

    Example:

    >>> from lipzoo_catalogue.sources import find
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
    others = {}
    if METRICS in contents:
        metrics = source.parse_json(METRICS, contents[METRICS])
        if "lipschitz_bound" in metrics:
            others[f"the whole model, in {METRICS}"] = metrics["lipschitz_bound"]
    return check_certificate(source.name, config.to_dict(), contents[WEIGHTS], certificate, others)
