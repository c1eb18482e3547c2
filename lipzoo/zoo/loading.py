"""Models from the zoo, a folder or the Hub: rebuilt by our builders, checked before their use."""

import dataclasses
import difflib
import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from lipzoo import models
from lipzoo.bounds import lipschitz_bound
from lipzoo.building import weights_follow
from lipzoo.zoo.precision import building_in
from lipzoo.zoo.pretrained import ZooModel
from lipzoo.zoo.weights import assign_weights, parse_weights, read_weights, weights_digest
from lipzoo_catalogue.files import CONFIG, WEIGHTS
from lipzoo_catalogue.hub.client import HubSettings
from lipzoo_catalogue.json_validation import mismatch
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import Source, find

HEAD = "head"
MAX_PARAMETERS = 500_000_000
# Eigenvalues differ between linear algebra libraries by some units in the last place.
CLAIM_TOLERANCE = 1e-9


def load(
    name: str | Path,
    weights: str | Path | None = "pretrained",
    num_classes: int | None = None,
    include_top: bool = True,
    verify: bool = True,
    dtype: str | None = None,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    model_name: str | None = None,
    input_shape: Sequence[int] | None = None,
) -> keras.Model:
    """Loads a model with a proven Lipschitz bound.

    The model is rebuilt from its configuration by lipzoo's own builder and given the weights of a
    safetensors file; nothing is unpickled and no code is deserialised. The SHA-256 of every file is
    checked before it is parsed, and `lipzoo.lipschitz_bound` of the loaded weights is compared with
    the bound that the model claims. What is returned is an ordinary `keras.Model` with two more
    attributes: `lipzoo_config`, its `ModelConfig`, and `lipzoo_preprocessing`, the units and the
    range of its inputs, which its copies and its `.keras` files keep.

    A path is read where it is; a name of the zoo is looked for in the bundled weights, then in the
    cache of the Hugging Face Hub, then on the Hub. Once a model is downloaded by full commit id,
    as the zoo's published models are, loading it makes no request.

    Args:
        name: a name from `lipzoo.list_models()`; `"hf://owner/repo"` or
            `"hf://owner/repo@revision"` for a model that anyone published; or the path of a folder
            with a saved model. A path needs a separator (`"./my-model"`) or a `Path`, so that no
            name of the zoo can turn into a folder that happens to be there.
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
        revision: full commit id, tag or branch on the Hub, for a model that is published there.
        cache_dir: the Hub's cache. Default: that of `huggingface_hub` (`HF_HOME`, `HF_HUB_CACHE`).
        local_files_only: whether to make no request, and use what was downloaded before;
            `HF_HUB_OFFLINE=1` says the same.
        token: access token for a private repository. Default: that of `HF_TOKEN` or of
            `hf auth login`. `HF_ENDPOINT` is the address of another Hub.
        model_name: what the model is called; `None` for the name of the zoo or of the folder. The
            layers of a model need different names, and so do models inside another one: an
            ensemble of one model with itself needs this.
        input_shape: `(height, width, channels)`, for a model whose weights serve images of
            every size, a `Denoiser` for instance; `None` for the one of its configuration.

    Returns:
        A `keras.Model`, named as the zoo's model or its folder is.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the name is unknown (the nearest ones are suggested), a file is truncated,
            altered or malformed, the weights do not fit, the bound exceeds the claimed one, or the
            backend does not compute in `dtype`, or the weights serve no images of `input_shape`.
        HubError: if the Hub is needed and cannot be reached, does not have the model, or refuses.

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
    settings = HubSettings(cache_dir, local_files_only, token)
    source = find(name, revision=revision, settings=settings)
    with source.named_in_errors():
        return load_from(
            source, weights, num_classes, include_top, verify, dtype, model_name, input_shape
        )


def load_from(
    source: Source,
    weights: str | Path | None = "pretrained",
    num_classes: int | None = None,
    include_top: bool = True,
    verify: bool = True,
    dtype: str | None = None,
    model_name: str | None = None,
    input_shape: Sequence[int] | None = None,
) -> keras.Model:
    """Loads the model of a source that was found; see `load`."""
    trained = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    if trained.num_classes is None and not (num_classes is None and include_top):
        raise ValueError(
            f"{source.name} has no classes and no head: expected num_classes=None and "
            f"include_top=True. Received: num_classes={num_classes}, include_top={include_top}"
        )
    config = _resized(_adapt(trained, num_classes, include_top), input_shape, source)
    if weights is None:
        with building_in(dtype), weights_follow(MAX_PARAMETERS, fresh=None):
            return _attach(_build(config, source), config, dtype, model_name=model_name)

    pretrained = weights == "pretrained"
    path = source.path(WEIGHTS) if pretrained else _weights_path(weights)
    tensors = parse_weights(source.read(WEIGHTS), path) if pretrained else read_weights(path)
    other_head = _has_top(config) != _has_top(trained) or (
        pretrained and config.num_classes != trained.num_classes
    )
    fresh = (HEAD,) if other_head else ()
    model = _filled(config, source, tensors, path, dtype, fresh)
    if pretrained and verify and source.claim is not None and not other_head:
        _check_claim(model, source)
    as_trained = pretrained and config == trained
    return _attach(model, config, dtype, as_trained, model_name)


def load_tensors(
    source: Source, tensors: Mapping[str, np.ndarray], dtype: str | None = None
) -> keras.Model:
    """Builds the model of a source and gives it weights that were read; its bound is not derived.

    Raises:
        ValueError: if the builder refuses the configuration, or the weights do not fit.
    """
    config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    return _attach(_filled(config, source, tensors, source.path(WEIGHTS), dtype), config, dtype)


def _filled(config, source, tensors, path, dtype=None, fresh=()):
    """Builds a model that is no larger than its weights, and gives it these."""
    parameters = sum(tensor.size for tensor in tensors.values())
    with building_in(dtype), weights_follow(min(parameters, MAX_PARAMETERS), fresh):
        model = _build(config, source)
    assign_weights(model, tensors, where=path, fresh=fresh)
    return model


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


def _resized(config, input_shape, source):
    """Returns the configuration for images of another size."""
    if input_shape is None:
        return config
    if config.architecture not in models.SERVE_EVERY_SIZE:
        raise ValueError(
            f"{source.name} has weights for one size of input: expected input_shape=None. "
            f"Received: input_shape={input_shape!r}"
        )
    arguments = {**config.arguments, "input_shape": list(input_shape)}
    return dataclasses.replace(config, arguments=arguments)


def _has_top(config):
    return config.arguments.get("include_top", True)


def _build(config: ModelConfig, source) -> keras.Model:
    """Calls the builder; what it refuses is reported as the configuration's mistake."""
    where = source.path(CONFIG)
    if config.architecture not in models.ARCHITECTURES:
        known = ", ".join(sorted(models.ARCHITECTURES))
        error = mismatch("architecture", f"one of {known}", config.architecture)
        raise ValueError(f"{where}: {error}")
    builder = models.ARCHITECTURES[config.architecture]
    known = list(inspect.signature(builder).parameters)
    for key in config.arguments:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}."
            raise ValueError(f"{where}: unknown key 'arguments.{key}'. {advice}")
    try:
        return builder(**{"name": source.name, **config.arguments})
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


def _attach(model, config, dtype=None, as_trained=False, model_name=None):
    """The same layers as a model that keeps its configuration."""
    with building_in(dtype):
        name = model.name if model_name is None else model_name
        model = ZooModel(model.input, model.output, name=name, lipzoo_config=config)
    # By which a model that was trained further is told from the one that its texts are about.
    digest = weights_digest(model) if as_trained else None
    object.__setattr__(model, "lipzoo_weights_digest", digest)
    return model
