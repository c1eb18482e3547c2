"""Models as far as names, folders and the forms of addresses tell, without Keras or a request."""

import argparse
from pathlib import Path

from lipzoo_catalogue.files import CERTIFICATE, CONFIG, METRICS, WEIGHTS
from lipzoo_catalogue.hub.location import PREFIX, parse_location
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import find
from lipzoo_catalogue.onnx_file import check_onnx_file
from lipzoo_catalogue.registry import is_known
from lipzoo_cli.arguments import is_onnx, model_of

_OF_A_RUN = (CONFIG, WEIGHTS, CERTIFICATE, METRICS)


def check_model(
    arguments: argparse.Namespace, name: str | None = None, classifier: bool = False
) -> None:
    """Raises for a model that is not there.

    Args:
        arguments: of the command.
        name: the model's; default: `arguments.model`.
        classifier: whether it has to be one.

    Raises:
        FileNotFoundError, ValueError: if there is no such model, or it is no classifier.
    """
    model = model_of(name or arguments.model)
    if isinstance(model, str) and model.startswith(PREFIX):
        parse_location(model)
        return
    if not classifier and isinstance(model, str) and is_known(model):
        return
    source = find(model, revision=getattr(arguments, "revision", None))
    if not source.has(CONFIG):
        # The error of a missing file, with its advice.
        source.read(CONFIG)
    if classifier:
        config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
        if config.num_classes is None:
            raise ValueError(
                "Expected a classifier: radii are certified for predictions of a class. "
                f"Received: {arguments.model}, which has no classes"
            )


def check_classifier(arguments: argparse.Namespace) -> None:
    """A classifier as `check_model` has it, or an ONNX file."""
    if is_onnx(arguments.model):
        check_onnx_file(Path(arguments.model).expanduser())
    else:
        check_model(arguments, classifier=True)


def check_run(folder: str) -> None:
    """Raises for a folder that is none of a finished run.

    Raises:
        FileNotFoundError: naming the files that are missing.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"Expected a run folder. Received: {folder!r}")
    missing = [file for file in _OF_A_RUN if not (Path(folder) / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: expected a finished run with {', '.join(_OF_A_RUN)}. "
            f"Received: a folder without {', '.join(missing)}"
        )
