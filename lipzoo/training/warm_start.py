"""Where a training starts when it is not from random weights."""

import keras

from lipzoo.constraints import project
from lipzoo.training.model import TrainingError
from lipzoo.zoo.loading import HEAD
from lipzoo.zoo.weights import assign_weights, parse_weights
from lipzoo_catalogue.files import CONFIG, WEIGHTS
from lipzoo_catalogue.hub.errors import HubError
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import find


def start_from(model: keras.Model, name: str, architecture: str, num_classes: int | None) -> None:
    """Gives a model the weights of a trained one, by name, and projects them.

    Every file is hashed before it is parsed, as `lipzoo.load` does. The weights must fit by name
    and shape; the head is left fresh where the trained model has another number of classes. The
    weights are projected by the layers' constraints, so that the bound is the one that training
    keeps, whatever the trained model's was.

    Args:
        model: a built model; unchanged on an error.
        name: a name of the zoo, the path of a folder, or `"hf://owner/repo"`.
        architecture: the architecture of `model`.
        num_classes: its number of classes; `None` for a reconstruction.

    Raises:
        TrainingError: if the trained model is not found, is damaged, or does not fit.
    """
    try:
        source = find(name)
        with source.named_in_errors():
            config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
            if config.architecture != architecture:
                raise ValueError(
                    f"expected a trained {architecture}. Received: {name!r}, a "
                    f"{config.architecture}"
                )
            path = source.path(WEIGHTS)
            fresh = (HEAD,) if config.num_classes != num_classes else ()
            assign_weights(
                model, parse_weights(source.read(WEIGHTS), path), where=path, fresh=fresh
            )
    except (ValueError, OSError, HubError) as error:
        raise TrainingError(f"[model] start: {error}") from error
    project(model)
