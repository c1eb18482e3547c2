"""Saving a model as a folder that `lipzoo.load` reads."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras

import lipzoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.zoo.loading import load
from lipzoo.zoo.weights import dump_weights, read_variables
from lipzoo_catalogue.config import ModelConfig, dump_config
from lipzoo_catalogue.files import (
    CERTIFICATE,
    CONFIG,
    METRICS,
    WEIGHTS,
    dump_json,
    read_file,
    record_of,
    write_file,
    write_folder,
)
from lipzoo_catalogue.records import Claim
from lipzoo_catalogue.tasks import read_metrics


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
    them is put in place; other files of an existing folder stay, except that older metrics, which
    were of other weights, are removed.

    Args:
        folder: path of the folder.
        model: a model made by a builder of `lipzoo.models`.
        config: how to build it again. Default: that of a loaded model, `model.lipzoo_config`.
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
        config = getattr(model, "lipzoo_config", None)
    if not isinstance(config, ModelConfig):
        raise ValueError(
            "config must be a lipzoo.zoo.ModelConfig; only a model from lipzoo.load brings its "
            f"own. Received: config={config!r}"
        )
    _check_fit(model, config)
    if metrics is not None:
        read_metrics(metrics)
    weights = dump_weights(read_variables(model))
    configuration = dump_config(dataclasses.replace(config, lipzoo_version=lipzoo.__version__))
    claim = derive_claim(model, {CONFIG: record_of(configuration), WEIGHTS: record_of(weights)})
    write_folder(
        folder,
        {
            WEIGHTS: weights,
            CONFIG: configuration,
            METRICS: None if metrics is None else dump_json(metrics),
            CERTIFICATE: dump_json(claim.to_dict()),
        },
    )
    return claim


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
    files = {name: record_of(read_file(folder / name)) for name in (CONFIG, WEIGHTS)}
    claim = derive_claim(load(folder.absolute(), verify=False), files)
    write_file(folder / CERTIFICATE, dump_json(claim.to_dict()))
    return claim


def derive_claim(model: keras.Model, files: Mapping) -> Claim:
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
    return Claim(float(bound.value), dict(files), rows, lipzoo.__version__)


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
