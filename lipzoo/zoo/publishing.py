"""Publishing a model on the Hugging Face Hub: checked first, then uploaded with its card."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from lipzoo.zoo.loading import load_from
from lipzoo.zoo.promotion import check_stated, default_name
from lipzoo.zoo.saving import current_config, save_model
from lipzoo_catalogue.cards import hub_card
from lipzoo_catalogue.certificate_claim import check_belonging
from lipzoo_catalogue.files import (
    CERTIFICATE,
    CONFIG,
    METRICS,
    MODEL_FILES,
    WEIGHTS,
    parse_json,
    record_of,
)
from lipzoo_catalogue.hub.location import HubLocation
from lipzoo_catalogue.hub.publish import README, Publication, publish_files
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_info import describe
from lipzoo_catalogue.model_source import Source, find
from lipzoo_catalogue.registry import RegistryEntry
from lipzoo_catalogue.weights_header import count_parameters


@dataclass(frozen=True)
class Package:
    """What is about to be published: every byte of it.

    Args:
        name: name of the model.
        repo: `owner/name` on the Hub.
        contents: content by file name, without the card.
        card: the README.
        version: number of the weights, by the registry.
    """

    name: str
    repo: str
    contents: Mapping[str, bytes]
    card: str
    version: int = 1

    def entry(self, revision: str | None = None) -> RegistryEntry:
        """The model's entry for `registry.json`, at the revision that it was published as."""
        return RegistryEntry(
            name=self.name,
            files={file: record_of(content) for file, content in self.contents.items()},
            parameters=count_parameters(self.contents[WEIGHTS]),
            repo=None if revision is None else self.repo,
            revision=revision,
            version=self.version,
        )

    def __str__(self):
        rows = [*self.contents.items(), (README, self.card.encode())]
        lines = [f"{self.name}, to be published as hf://{self.repo} in one commit:"]
        for file, content in rows:
            record = record_of(content)
            lines.append(f"  {file:<18}{record.bytes:>12,} bytes  sha256 {record.sha256}")
        return "\n".join(lines)


def prepare(model: str | Path, repo: str) -> Package:
    """Reads and checks the files of a model and renders its card; makes no request.

    Args:
        model: a run folder, or a name of the zoo.
        repo: `owner/name` on the Hub.

    Returns:
        A `Package`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file was altered, the bound exceeds what the certificate claims, the
            metrics are of other weights, or nothing states what the model is and what data it was
            trained on.
    """
    HubLocation(repo)
    source = find(model)
    missing = [file for file in (CONFIG, WEIGHTS, CERTIFICATE) if not source.has(file)]
    if missing:
        raise FileNotFoundError(
            f"{source.folder}: expected a saved model with {CONFIG}, {WEIGHTS} and {CERTIFICATE}. "
            f"Received: a folder without {', '.join(missing)}"
        )
    present = [file for file in MODEL_FILES if source.has(file)]
    contents = {file: source.read(file) for file in present}
    load_from(source)
    config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    check_stated(config, contents, source.folder)
    if METRICS in contents:
        where = source.path(METRICS)
        check_belonging(parse_json(contents[METRICS], where), record_of(contents[WEIGHTS]), where)
    name = source.name if source.entry else default_name(source.folder, contents)
    version = source.entry.version if source.entry else 1
    return Package(name, repo, contents, hub_card(describe(source), repo), version)


def publish(
    model: str | Path,
    repo: str,
    *,
    token: str | bool | None = None,
    private: bool = False,
    replace_card: bool = False,
    tag: str | None = None,
) -> tuple[Publication, RegistryEntry]:
    """Publishes a run folder, or a model of the zoo, on the Hugging Face Hub.

    The files are checked as `load` checks them; weights, configuration, certificate, metrics,
    recipe, figures and a card are uploaded in one commit, which is tagged. Whatever fails before
    the commit leaves the repository as it was. A README that a person edited stays as it is.

    Args:
        model: a run folder, or a name of the zoo.
        repo: `owner/name`; created if it does not exist.
        token: access token with the right to write; `None` for that of `HF_TOKEN` or of
            `hf auth login`.
        private: whether a repository that is created is private.
        replace_card: whether to replace a README that a person edited.
        tag: tag of the commit. Default: the next free one of v1, v2, ...

    Returns:
        The `Publication`, and the entry for `registry.json`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file was altered, or the bound exceeds what the certificate claims.
        HubError: if the Hub cannot be reached or refuses.
    """
    return send(
        prepare(model, repo), token=token, private=private, replace_card=replace_card, tag=tag
    )


def send(package: Package, **options: Any) -> tuple[Publication, RegistryEntry]:
    """Uploads a package; see `publish`."""
    publication = publish_files(
        package.contents,
        package.card,
        package.repo,
        message=f"{package.name}, published with lipzoo",
        **options,
    )
    return publication, package.entry(publication.revision)


def push_to_hub(
    model: keras.Model,
    repo: str,
    config: ModelConfig | None = None,
    *,
    metrics: Mapping | None = None,
    token: str | bool | None = None,
    private: bool = False,
    replace_card: bool = False,
    tag: str | None = None,
) -> Publication:
    """Publishes a model as it is now, such as one that was loaded and fine-tuned.

    Its certificate is computed afresh from the weights. Others load it with
    `lipzoo.load("hf://owner/name")`.

    Args:
        model: a model made by a builder of `lipzoo.models`.
        repo: `owner/name` on the Hub; created if it does not exist.
        config: how to build it, and what the card says. Default: that of a loaded model, without
            the texts about the data that it was first trained on if its weights have changed.
        metrics: test results, see `lipzoo.zoo.Metrics`; without them the card has no results.
        token: access token with the right to write; `None` for that of `HF_TOKEN` or of
            `hf auth login`.
        private: whether a repository that is created is private.
        replace_card: whether to replace a README that a person edited.
        tag: tag of the commit. Default: the next free one of v1, v2, ...

    Returns:
        A `Publication`: repository, revision, tag and address.

    Raises:
        ValueError: if the configuration does not fit the model, or a weight is not finite.
        UncertifiedLayerError: if a layer has no rule for its bound.
        HubError: if the Hub cannot be reached or refuses.

    Example:

    >>> import lipzoo
    >>> model = lipzoo.load("gradflow-fmnist", num_classes=3)  # doctest: +SKIP
    >>> lipzoo.push_to_hub(model, "someone/my-model")  # doctest: +SKIP
    """
    HubLocation(repo)
    if config is None and isinstance(getattr(model, "lipzoo_config", None), ModelConfig):
        config = current_config(model)
    with tempfile.TemporaryDirectory() as folder:
        save_model(folder, model, config, metrics=metrics)
        source = Source(HubLocation(repo).name, Path(folder))
        contents = {file: source.read(file) for file in MODEL_FILES if source.has(file)}
        card = hub_card(describe(source), repo)
    package = Package(source.name, repo, contents, card)
    options = {"token": token, "private": private, "replace_card": replace_card, "tag": tag}
    return send(package, **options)[0]
