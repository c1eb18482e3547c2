"""Saving a model as a folder that `lipzoo.load` reads."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from lipzoo.bounds import lipschitz_bound
from lipzoo.zoo.loading import load
from lipzoo.zoo.probing import derive_probes
from lipzoo.zoo.weights import dump_weights, parse_weights, read_variables, weights_digest
from lipzoo_catalogue.certificate_claim import Claim
from lipzoo_catalogue.files import (
    CARD,
    CERTIFICATE,
    CONFIG,
    CURVES,
    METRICS,
    RECIPE,
    WEIGHTS,
    dump_json,
    read_file,
    record_of,
    write_file,
    write_folder,
)
from lipzoo_catalogue.model_config import ModelConfig, dump_config
from lipzoo_catalogue.probes import Probes
from lipzoo_catalogue.tasks import read_metrics
from lipzoo_catalogue.version import __version__


def save_model(
    folder: str | Path,
    model: keras.Model,
    config: ModelConfig | None = None,
    *,
    metrics: Mapping | None = None,
) -> Claim:
    """Writes `config.json`, `model.safetensors`, `certificate.json` and, if given, `metrics.json`.

    The certificate is derived from the weights as they are: `lipzoo.lipschitz_bound(model)`, with
    the hash of the weights and of the configuration. The files are complete before the first of
    them is put in place. Older metrics in the folder are removed, and where it held other weights
    also what was stated of these: recipe, curves and history; a `card.toml` becomes
    `card.old.toml`. Other files stay.

    Args:
        folder: path of the folder.
        model: a model made by a builder of `lipzoo.models`.
        config: how to build it again. Default: that of a loaded model, `model.lipzoo_config`,
            without its texts about the model and its data where the weights are no longer those
            that were loaded.
        metrics: content of `metrics.json`, see `Metrics`.

    Returns:
        The `Claim` that was written.

    Raises:
        OSError: if the folder cannot be written; its content is then unchanged.
        ValueError: if the configuration does not fit the model, the metrics are malformed, or a
            weight is not finite.
        UncertifiedLayerError: if a layer has no rule for its bound.

    Example:

    >>> import tempfile
    >>> from lipzoo import models, zoo
    >>> arguments = {"input_shape": [4], "num_classes": 2, "features": 8, "dense_depth": 1}
    >>> config = ModelConfig("GradFlowNet", arguments)
    >>> model = models.GradFlowNet(**arguments)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     claim = save_model(folder, model, config)
    ...     again = zoo.load(folder)
    >>> again.output_shape
    (None, 2)
    """
    if config is None:
        config = current_config(model)
    if not isinstance(config, ModelConfig):
        raise ValueError(
            "config must be a lipzoo.zoo.ModelConfig; only a model from lipzoo.load brings its "
            f"own. Received: config={config!r}"
        )
    if metrics is not None:
        read_metrics(metrics, config=config)
    return write_model(folder, model, config, metrics=metrics, outlived=_outlived(Path(folder)))


def write_model(
    folder: str | Path,
    model: keras.Model,
    config: ModelConfig,
    *,
    metrics: Mapping | None = None,
    outlived: Callable[[bytes], Mapping] = lambda weights: {},
) -> Claim:
    """Writes the files of `save_model`; everything but older metrics stays.

    Args:
        outlived: of the content of the weights file, further files to write or, for `None`, to
            remove.
    """
    _check_fit(model, config)
    weights = dump_weights(read_variables(model))
    configuration = dump_config(dataclasses.replace(config, lipzoo_version=__version__))
    tensors = parse_weights(weights, "the weights")
    records = {CONFIG: record_of(configuration), WEIGHTS: record_of(weights)}
    claim = derive_claim(model, records, derive_probes(model, config, tensors))
    write_folder(
        folder,
        {
            **outlived(weights),
            WEIGHTS: weights,
            CONFIG: configuration,
            METRICS: None if metrics is None else dump_json(_of_weights(metrics, claim)),
            CERTIFICATE: dump_json(claim.to_dict()),
        },
    )
    return claim


def current_config(model: keras.Model) -> ModelConfig | None:
    """The configuration of a loaded model, as far as it is true of the model as it is now.

    The texts about the model and the data that it was trained on are dropped where its weights are
    no longer those that were loaded: it was trained on something else since.
    """
    config = getattr(model, "lipzoo_config", None)
    if not isinstance(config, ModelConfig):
        return None
    if getattr(model, "lipzoo_weights_digest", None) == weights_digest(model):
        return config
    return dataclasses.replace(
        config,
        description=f"{config.architecture} made from {model.name}",
        dataset="",
        data_licence="",
        citation="",
        intended_use="",
        limitations="",
    )


def _of_weights(metrics, claim):
    """The metrics with the hash of the weights that they are saved with."""
    return {**metrics, "weights_sha256": claim.files[WEIGHTS].sha256}


def _outlived(folder):
    """What must not stay in a folder when it gets other weights."""

    def changes(weights):
        old = folder / WEIGHTS
        if not old.is_file() or old.read_bytes() == weights:
            return {}
        gone = (RECIPE, CURVES, "history.json", "history.csv")
        found = {file: None for file in gone if (folder / file).exists()}
        if (folder / CARD).is_file():
            found |= {CARD: None, "card.old.toml": (folder / CARD).read_bytes()}
        return found

    return changes


def renew_certificate(folder: str | Path) -> Claim:
    """Derives the certificate of a saved model again, as this version of lipzoo does.

    Weights and configuration stay as they are; nothing else in the folder is touched.

    Args:
        folder: path of the folder.

    Returns:
        The `Claim` that was written.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the weights or the configuration are not those that the certificate is of.
    """
    folder = Path(folder)
    contents = {name: read_file(folder / name) for name in (CONFIG, WEIGHTS)}
    files = {name: record_of(content) for name, content in contents.items()}
    model = load(folder.absolute(), verify=False)
    tensors = parse_weights(contents[WEIGHTS], folder / WEIGHTS)
    claim = derive_claim(model, files, derive_probes(model, model.lipzoo_config, tensors))
    write_file(folder / CERTIFICATE, dump_json(claim.to_dict()))
    return claim


def derive_claim(model: keras.Model, files: Mapping, probes: Probes | None = None) -> Claim:
    """Returns the claim for the weights as they are now; `files`: records of the model's files."""
    bound = lipschitz_bound(model)
    rows = tuple(
        {
            "name": row.name,
            "type": row.type,
            "bound": row.bound.value,
            "derivation": row.bound.derivation,
        }
        for row in bound.layers
    )
    return Claim(float(bound.value), dict(files), rows, __version__, probes)


def _check_fit(model, config):
    stated = {"input_shape": config.input_shape, "num_classes": config.num_classes}
    shapes = {"input_shape": tuple(model.input_shape[1:]), "num_classes": model.output_shape[-1]}
    if not config.arguments.get("include_top", True):
        del stated["num_classes"]
    for key, value in stated.items():
        if key not in config.arguments:
            continue  # the builder derives it from its other arguments
        if value != shapes[key]:
            raise ValueError(
                f"config does not fit the model: expected {key} {shapes[key]}. "
                f"Received: {key}={value}"
            )
