"""What is known about a model, read from its files."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipzoo_catalogue.card_text import CardText
from lipzoo_catalogue.certificate_claim import check_belonging
from lipzoo_catalogue.files import (
    CARD,
    CONFIG,
    METRICS,
    MODEL_FILES,
    WEIGHTS,
    FileRecord,
    record_of,
)
from lipzoo_catalogue.formatting import format_size, format_up
from lipzoo_catalogue.hub.client import HubSettings
from lipzoo_catalogue.json_validation import is_mapping, is_row
from lipzoo_catalogue.markup import escaped, table
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import Source, find
from lipzoo_catalogue.task_names import CLASSIFICATION
from lipzoo_catalogue.tasks import TASKS, read_metrics
from lipzoo_catalogue.training_record import TrainingRecord
from lipzoo_catalogue.weights_header import count_parameters

if TYPE_CHECKING:
    from lipzoo_catalogue.classification_metrics import Metrics
    from lipzoo_catalogue.tasks.reconstruction import ReconstructionMetrics


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model; printed, it is a page to read.

    Args:
        name: its name in the zoo, or that of its folder or repository.
        config: architecture, arguments, input units, classes, data set, licences, paper.
        lipschitz_bound: the claimed bound of the map from input to output, Euclidean norm, in the
            units of the input; `None` where no certificate claims one. `lipzoo.load` derives it
            again.
        metrics: the test results, by task: for a classifier, clean and certified accuracy in
            float32 and in float64. `None` where there are none.
        parameters: number of parameters.
        bytes: size of the weights file.
        repo: `owner/name` on the Hugging Face Hub, or `None`.
        revision: full commit id there, or `None`.
        layers: the rows of the bound's table: name, type, bound, derivation.
        training: how it was trained.
        text: what only a person can say.
        files: hash and size of each file.
    """

    name: str
    config: ModelConfig
    lipschitz_bound: float | None
    metrics: "Metrics | ReconstructionMetrics | None"
    parameters: int
    bytes: int
    repo: str | None
    revision: str | None
    layers: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    training: TrainingRecord = field(default_factory=TrainingRecord, repr=False)
    text: CardText = field(default_factory=CardText, repr=False)
    files: Mapping[str, FileRecord] = field(default_factory=dict[str, FileRecord], repr=False)

    @property
    def task(self) -> str:
        """What the model does: `"classification"` or `"reconstruction"`."""
        return self.config.task

    @property
    def architecture(self) -> str:
        """Name of the builder."""
        return self.config.architecture

    @property
    def dataset(self) -> str:
        """The data that the model was trained on."""
        return self.text.dataset or self.config.dataset

    @property
    def description(self) -> str:
        """One line about the model."""
        return self.text.description or self.config.description

    @property
    def data_licence(self) -> str:
        """Licence of the data."""
        return self.text.data_licence or self.config.data_licence

    @property
    def citation(self) -> str:
        """How to cite the data."""
        return self.text.citation or self.config.citation

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis; empty where the builder derives it."""
        return self.config.input_shape

    @property
    def input_units(self) -> str:
        """Units of the input, and so of every radius and bound."""
        return self.config.preprocessing["scale"]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the logits."""
        return self.config.class_names

    @property
    def licence(self) -> str:
        """Licence of the weights."""
        return self.config.licence

    @property
    def paper(self) -> str:
        """The method's paper."""
        return self.config.paper

    def to_dict(self) -> dict[str, object]:
        """Everything as JSON values, for scripts."""
        return {
            "name": self.name,
            "task": self.task,
            "lipschitz_bound": self.lipschitz_bound,
            "metrics": None if self.metrics is None else plain(self.metrics),
            "parameters": self.parameters,
            "bytes": self.bytes,
            "repo": self.repo,
            "revision": self.revision,
            "config": self.config.to_dict(),
            "training": plain(self.training),
            "files": {name: vars(record) for name, record in self.files.items()},
        }

    def __str__(self) -> str:
        lines = [self.name, f"  {self.description}", ""]
        lines += [f"  {key:<14}{value}" for key, value in self._rows()]
        return "\n".join([*lines, *([""] * bool(self.metrics)), *self._results()])

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{escaped(self.name)}</b>: {escaped(self.description)}</p>"]
        parts.append(table((), self._rows()))
        if self.metrics is not None:
            parts.append(f"<pre>{escaped(chr(10).join(self._results()))}</pre>")
        return "".join(parts)

    def _results(self) -> Iterable[str]:
        """The results in lines."""
        return () if self.metrics is None else TASKS[self.task].plain_lines(self.metrics)

    def _rows(self) -> list[tuple[str, str]]:
        """What there is to say, by its name."""
        classes = ""
        if self.task == CLASSIFICATION:
            classes = str(self.config.num_classes or "none")
            if self.class_names:
                classes += f": {', '.join(self.class_names)}"
        shape = " x ".join(map(str, self.input_shape))
        bound = "none is claimed"
        if self.lipschitz_bound is not None:
            bound = f"{format_up(self.lipschitz_bound)} (proven, l2 to l2, input to output)"
        rows = [
            ("architecture", self.architecture),
            ("data", self.dataset),
            ("input", f"{shape}, {self.input_units}" if shape else self.input_units),
            ("classes", classes),
            ("parameters", f"{self.parameters:,} ({format_size(self.bytes)})"),
            ("licence", self.licence),
            ("data licence", self.data_licence),
            ("paper", self.paper),
            ("published", f"{self.repo} at {self.revision}" if self.repo else ""),
            ("bound", bound),
            ("test", f"{self.metrics.examples:,} examples" if self.metrics else "none"),
        ]
        return [(key, value) for key, value in rows if value]


def info(
    name: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> ModelInfo:
    """Returns what is known about a model: units, licence, proven bound, accuracies.

    For a model of the zoo it reads the small files, each checked against the registry, and not the
    weights.

    Args:
        name: a name from `list_models()`, the path of a folder, or `"hf://owner/repo"`, as in
            `load`.
        revision: as in `load`; this and the following concern models on the Hub.
        cache_dir: as in `load`.
        local_files_only: as in `load`.
        token: as in `load`.

    Returns:
        A `ModelInfo`.

    Raises:
        FileNotFoundError: if there is no such folder, or a file of it is missing.
        ValueError: if there is no such model (the nearest names are suggested), or a file of it
            was altered.
        HubError: if it cannot be downloaded.
    """
    settings = HubSettings(cache_dir, local_files_only, token)
    return describe(find(name, revision=revision, settings=settings, want="description"))


def describe(source: Source) -> ModelInfo:
    """Returns what is known about the model of a source that was found; see `info`."""
    config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    values: dict[str, Any] = {}
    metrics, training, text = None, TrainingRecord(), CardText()
    if source.has(METRICS):
        values = source.read_json(METRICS)
        metrics = read_metrics(values, source.path(METRICS), config)
        training = TrainingRecord.from_dict(values, source.path(METRICS))
    if source.has(CARD):
        text = CardText.from_toml(_decoded(source, CARD), source.path(CARD))
    claim, entry = source.claim, source.entry
    files = dict(source.records)
    if not files:
        present = [file for file in MODEL_FILES if source.has(file)]
        files = {file: record_of(source.read(file)) for file in present}
    if source.records and entry is not None:
        parameters = entry.parameters
    else:
        parameters = count_parameters(source.read(WEIGHTS), source.path(WEIGHTS))
    if metrics is not None:
        check_belonging(values, files[WEIGHTS], source.path(METRICS))
    location = source.location
    if location is None and entry is not None and entry.repo is not None:
        repo, revision = entry.repo, entry.revision
    else:
        repo, revision = (location.repo, location.revision) if location else (None, None)
    return ModelInfo(
        name=source.name,
        config=config,
        lipschitz_bound=None if claim is None else claim.lipschitz_bound,
        metrics=metrics,
        parameters=parameters,
        bytes=files[WEIGHTS].bytes,
        repo=repo,
        revision=revision,
        layers=() if claim is None else claim.layers,
        training=training,
        text=text,
        files=files,
    )


def plain(value: object) -> Any:
    """Dataclasses, mappings and tuples as JSON values.

    >>> plain(CardText(datasets=("mnist",)))["datasets"]
    ['mnist']
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if is_mapping(value):
        return {key: plain(item) for key, item in value.items()}
    if is_row(value):
        return [plain(item) for item in value]
    return value


def _decoded(source: Source, file: str) -> str:
    try:
        return source.read(file).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{source.path(file)}: expected UTF-8 text: {error}") from None
