"""Models from the zoo, or from a folder: rebuilt by our builders, checked before they are used."""

import dataclasses
import difflib
import inspect
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from lipzoo import models
from lipzoo.bounds import lipschitz_bound
from lipzoo.building import weights_follow
from lipzoo.zoo.precision import building_in
from lipzoo.zoo.weights import assign_weights, read_weights
from lipzoo_catalogue import checks, registry
from lipzoo_catalogue.config import ModelConfig, read_config
from lipzoo_catalogue.files import CERTIFICATE, CONFIG, WEIGHTS, FileRecord, parse_json, read_file
from lipzoo_catalogue.records import Claim

HEAD = "head"
MAX_PARAMETERS = 500_000_000
# Eigenvalues differ between linear algebra libraries by some units in the last place.
CLAIM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class _Source:
    """Where a model's files are, and what is known of them before they are read."""

    folder: Path
    files: dict[str, FileRecord]
    claim: Claim | None


def load(
    name: str | Path,
    weights: str | Path | None = "pretrained",
    num_classes: int | None = None,
    include_top: bool = True,
    verify: bool = True,
    dtype: str | None = None,
) -> keras.Model:
    """Loads a model with a proven Lipschitz bound.

    The model is rebuilt from its configuration by lipzoo's own builder and given the weights of a
    safetensors file; nothing is unpickled and no code is deserialised. The SHA-256 of every file is
    checked before it is parsed, and `lipzoo.lipschitz_bound` of the loaded weights is compared with
    the bound that the model claims. What is returned is an ordinary `keras.Model` with two more
    attributes: `lipzoo_config`, its `ModelConfig`, and `lipzoo_preprocessing`, the units and the
    range of its inputs.

    Args:
        name: a name from `lipzoo.list_models()`, or the path of a folder with a saved model. A
            path needs a separator (`"./my-model"`) or a `Path`, so that no name of the zoo can
            turn into a folder that happens to be there.
        weights: `"pretrained"`; `None` for fresh, constrained weights; or the path of a
            `.safetensors` file with the names, shapes and dtypes of this model.
        num_classes: number of classes. Another number than the trained one gives a fresh,
            constrained head on the pretrained body.
        include_top: False for the model without its head, which returns features.
        verify: whether to derive the bound of pretrained weights again and compare it. With a
            fresh head, no head or other weights there is no claim to compare with, nor in a folder
            without `certificate.json`.
        dtype: arithmetic of every layer, `"float32"` or `"float64"`; `None`: Keras' current policy,
            float32 unless set otherwise. The weights are the same numbers in both. In float64 the
            rounding that `lipzoo.certify` subtracts from every radius almost vanishes, so the
            radii are larger and as rigorous, and hold for the network that is evaluated in
            float64; inference takes a few times as long.

    Returns:
        A `keras.Model`, named as the zoo's model or its folder is.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the name is unknown (the nearest ones are suggested), a file is truncated,
            altered or malformed, the weights do not fit, the bound exceeds the claimed one, or the
            backend does not compute in `dtype`.

    Example:

    >>> import lipzoo
    >>> model = lipzoo.load("gradflow-fmnist")  # doctest: +SKIP
    >>> lipzoo.lipschitz_bound(model).value <= 1.0  # doctest: +SKIP
    True
    """
    num_classes = _checked_classes(num_classes)
    if not isinstance(include_top, bool):
        raise ValueError(
            f"include_top must be True or False. Received: include_top={include_top!r}"
        )
    source = _locate(name)
    trained = read_config(source.folder / CONFIG, source.files.get(CONFIG))
    config = _adapt(trained, num_classes, include_top)
    if weights is None:
        with building_in(dtype), weights_follow(MAX_PARAMETERS, fresh=None):
            return _attach(_build(config, source.folder), config)

    pretrained = weights == "pretrained"
    path = source.folder / WEIGHTS if pretrained else _weights_path(weights)
    tensors = read_weights(path, source.files.get(WEIGHTS) if pretrained else None)
    other_head = _has_top(config) != _has_top(trained) or (
        pretrained and config.num_classes != trained.num_classes
    )
    fresh = (HEAD,) if other_head else ()
    parameters = sum(tensor.size for tensor in tensors.values())
    with building_in(dtype), weights_follow(min(parameters, MAX_PARAMETERS), fresh):
        model = _build(config, source.folder)
    assign_weights(model, tensors, where=path, fresh=fresh)
    if pretrained and verify and source.claim is not None and not other_head:
        _check_claim(model, source)
    return _attach(model, config)


def _checked_classes(num_classes):
    if num_classes is None:
        return None
    is_integer = isinstance(num_classes, int | np.integer) and not isinstance(num_classes, bool)
    if not is_integer or num_classes < 2:
        raise ValueError(
            "num_classes must be an integer of at least 2, or None. "
            f"Received: num_classes={num_classes!r}"
        )
    return int(num_classes)


def _locate(name):
    """Finds the model's folder and reads what vouches for its files."""
    text = os.fspath(name) if isinstance(name, str | Path) else None
    if not text:
        raise ValueError(f"Expected a name or the path of a folder. Received: name={name!r}")
    if isinstance(name, Path) or "/" in text or os.sep in text or text.startswith("."):
        return _locate_folder(Path(name).expanduser())
    weights = registry.weights_folder()
    try:
        entry = registry.find_entry(text, registry.read_registry(weights))
    except ValueError as error:
        if Path(text).is_dir():
            advice = f"To load the folder of that name, write {os.path.join('.', text)!r}"
            raise ValueError(f"{error}. {advice}") from None
        raise
    folder = weights / entry.name
    path = folder / CERTIFICATE
    claim = Claim.from_dict(parse_json(read_file(path, entry.files[CERTIFICATE]), path), path)
    return _Source(folder, dict(entry.files), claim)


def _locate_folder(folder):
    if not folder.is_dir():
        raise FileNotFoundError(
            "Expected a name from lipzoo.list_models(), or a folder with config.json and "
            f"model.safetensors. Received: {str(folder)!r}, which is not a folder"
        )
    path = folder / CERTIFICATE
    if not path.exists():
        return _Source(folder, {}, None)
    claim = Claim.from_dict(parse_json(read_file(path), path), path)
    return _Source(folder, dict(claim.files), claim)


def _adapt(config, num_classes, include_top):
    """Returns the configuration of the model that is asked for."""
    arguments = dict(config.arguments)
    class_names = config.class_names
    if not include_top:
        arguments["include_top"] = False
    if num_classes is not None and num_classes != config.num_classes:
        arguments["num_classes"] = num_classes
        class_names = ()
    return dataclasses.replace(config, arguments=arguments, class_names=class_names)


def _has_top(config):
    return config.arguments.get("include_top", True)


def _build(config: ModelConfig, folder) -> keras.Model:
    """Calls the builder; what it refuses is reported as the configuration's mistake."""
    where = folder / CONFIG
    if config.architecture not in models.ARCHITECTURES:
        known = ", ".join(sorted(models.ARCHITECTURES))
        error = checks.expected("architecture", f"one of {known}", config.architecture)
        raise ValueError(f"{where}: {error}")
    builder = models.ARCHITECTURES[config.architecture]
    known = list(inspect.signature(builder).parameters)
    for key in config.arguments:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}."
            raise ValueError(f"{where}: unknown key 'arguments.{key}'. {advice}")
    try:
        return builder(**{"name": folder.resolve().name, **config.arguments})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: key 'arguments': {error}") from error


def _weights_path(weights):
    if not isinstance(weights, str | Path):
        raise ValueError(
            "weights must be 'pretrained', None or the path of a .safetensors file. "
            f"Received: weights={weights!r}"
        )
    path = Path(weights).expanduser()
    if path.suffix != ".safetensors":
        raise ValueError(
            "weights must be 'pretrained', None or the path of a .safetensors file. "
            f"Received: weights={os.fspath(weights)!r}"
        )
    return path


def _check_claim(model, source):
    bound = lipschitz_bound(model).value
    claimed = source.claim.lipschitz_bound
    if not bound <= claimed * (1 + CLAIM_TOLERANCE):
        raise ValueError(
            f"{source.folder}: expected a Lipschitz bound of at most {claimed!r}, which its "
            f"certificate claims. Received: {bound!r}, derived from its weights"
        )


def _attach(model, config):
    # Keras tracks dictionaries that are set on a model; these two are no part of its state.
    object.__setattr__(model, "lipzoo_config", config)
    object.__setattr__(model, "lipzoo_preprocessing", dict(config.preprocessing))
    return model
