"""What `lipzoo certify` is asked about: a model of the zoo, in a folder, on the Hub, or in ONNX."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from lipzoo.data.settings import DataSettings
from lipzoo.importing import from_onnx
from lipzoo.training.recipe import parse_recipe
from lipzoo.zoo.loading import load_from
from lipzoo_catalogue.files import CONFIG, RECIPE, WEIGHTS, sha256_of
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import find
from lipzoo_cli.arguments import is_onnx, model_of, settings_of

_AS_IN_THE_FILE = {"scale": "those of the file's input", "minimum": None, "maximum": None}


@dataclass(frozen=True)
class CertifiedModel:
    """A model before it is certified.

    Args:
        name: its name.
        config: its configuration; of an ONNX file, what of one follows from the file.
        classes: how many it has.
        recipe: how the data that it was trained on are to be read; `None` where nothing says so.
        configuration, weights: SHA-256 of the files that these are in.
        load: loads it.
    """

    name: str
    config: ModelConfig
    classes: int
    recipe: DataSettings | None
    configuration: str
    weights: str
    load: Callable[[], keras.Model]


def model_to_certify(arguments: argparse.Namespace) -> CertifiedModel:
    """Finds the model that the arguments name.

    Raises:
        ValueError: if it is no classifier, or cannot be read.
        OSError: if there is none.
        HubError: if it cannot be downloaded.
    """
    if is_onnx(arguments.model):
        return _in_onnx(Path(arguments.model).expanduser(), arguments.dtype)
    source = find(
        model_of(arguments.model),
        revision=arguments.revision,
        settings=settings_of(arguments),
        want="everything",
    )
    config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    if config.num_classes is None:
        raise ValueError(
            "Expected a classifier: radii are certified for predictions of a class. "
            f"Received: {arguments.model}, which has no classes"
        )
    recipe = None
    if source.has(RECIPE):
        text = source.read(RECIPE).decode()
        recipe = parse_recipe(text, where=str(source.path(RECIPE))).data
    return CertifiedModel(
        source.name,
        config,
        config.num_classes,
        recipe,
        sha256_of(source.read(CONFIG)),
        sha256_of(source.read(WEIGHTS)),
        lambda: load_from(source, dtype=arguments.dtype),
    )


def _in_onnx(path: Path, dtype: str) -> CertifiedModel:
    model = from_onnx(path, dtype)
    shapes = [tuple(tensor.shape[1:]) for tensor in (*model.inputs, *model.outputs)]
    if len(shapes) != 2 or len(shapes[1]) != 1:
        raise ValueError(
            "Expected a classifier, of one input, whose output is a number for each class. "
            f"Received: {path}, with {len(model.inputs)} inputs and outputs of shape "
            f"{shapes[len(model.inputs) :]}"
        )
    arguments = {"input_shape": shapes[0], "num_classes": shapes[1][0]}
    config = ModelConfig("ONNX", arguments, _AS_IN_THE_FILE)
    digest = sha256_of(path.read_bytes())
    return CertifiedModel(path.stem, config, shapes[1][0], None, digest, digest, lambda: model)
