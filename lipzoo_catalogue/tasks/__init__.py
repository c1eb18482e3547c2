"""What models do, and so what is measured of them and how it is shown: one module for each task.

`ModelConfig.task` says which a model has, and its `metrics.json` states the same. Each module is a
`Task`; nothing else in lipzoo distinguishes tasks in print.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from lipzoo_catalogue.classification_metrics import Metrics
from lipzoo_catalogue.json_validation import mismatch
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.task_names import CLASSIFICATION, RECONSTRUCTION
from lipzoo_catalogue.tasks import classification, reconstruction
from lipzoo_catalogue.tasks.reconstruction import ReconstructionMetrics


class Task(Protocol):
    """What the module of a task has; `metrics` are what its own `read_metrics` returns."""

    def read_metrics(
        self, values: Mapping[str, object], where: str | Path = "metrics"
    ) -> Metrics | ReconstructionMetrics:
        """Reads and checks the content of `metrics.json`."""
        ...

    def summary(self, metrics: Any) -> str:
        """The results in some words."""
        ...

    def plain_lines(self, metrics: Any) -> Iterator[str]:
        """A table for a terminal."""
        ...

    def results(self, metrics: Any) -> str:
        """The results for a model card."""
        ...

    def warning(self, metrics: Any) -> str:
        """What a user must not overlook in the results."""
        ...

    def evaluation_results(
        self, config: ModelConfig, metrics: Any, data: Mapping[str, object]
    ) -> list[dict[str, object]]:
        """The results as the Hub's `model-index` has them."""
        ...

    def pipeline_tag(self, config: ModelConfig) -> str:
        """The Hub's name of the task."""
        ...

    def tags(self, metrics: Any) -> list[str]:
        """Tags on the Hub, beside those of every model."""
        ...

    def purpose(self, metrics: Any) -> str:
        """What such a model is for, where nothing more special is said."""
        ...

    def usage(self, address: str, config: ModelConfig) -> str:
        """A program that uses the model."""
        ...


TASKS: Mapping[str, Task] = {CLASSIFICATION: classification, RECONSTRUCTION: reconstruction}


def read_metrics(
    values: Mapping[str, object],
    where: str | Path = "metrics",
    config: ModelConfig | None = None,
) -> Metrics | ReconstructionMetrics:
    """Reads and checks the content of `metrics.json`, by its task.

    Args:
        values: the content.
        where: name of the file, for errors.
        config: the model's configuration, whose task it must be; `None` for any task.

    Returns:
        `Metrics` of a classifier, or `ReconstructionMetrics`.

    Raises:
        ValueError: if the task is unknown or not the model's, or a key is wrong; the message names
            file and key.

    >>> test = {"examples": 10, "clean": 0.9, "certified": {"0.5": 0.7}}
    >>> read_metrics({"format_version": 1, "test": test}).task
    'classification'
    """
    task = values.get("task", CLASSIFICATION)
    if not isinstance(task, str) or task not in TASKS:
        known = " or ".join(map(repr, TASKS))
        raise ValueError(f"{where}: {mismatch('task', known, task)}")
    if config is not None and task != config.task:
        expected = f"{config.task!r}, which the model's configuration says"
        raise ValueError(f"{where}: {mismatch('task', expected, task)}")
    return TASKS[task].read_metrics(values, where)
