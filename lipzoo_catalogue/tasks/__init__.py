"""What models do, and so what is measured of them and how it is shown: one module for each task.

`metrics.json` names the task, `"task": "classification"` unless it says otherwise. Each module has
`read_metrics`, `summary`, `plain_lines`, `results`, `warning`, `evaluation_results`,
`pipeline_tag`, `tags`, `purpose` and `usage`; nothing else in lipzoo distinguishes tasks in print.
"""

from collections.abc import Mapping
from pathlib import Path

from lipzoo_catalogue.json_validation import mismatch
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.tasks import classification, reconstruction

TASKS = {"classification": classification, "reconstruction": reconstruction}


def task_of(config: ModelConfig, metrics=None) -> str:
    """Returns what a model does: as its test results say, else as its configuration tells.

    >>> task_of(ModelConfig("InvNet", {"operator": {"class_name": "Tomography"}}))
    'reconstruction'
    """
    if metrics is not None:
        return metrics.task
    return "reconstruction" if "operator" in config.arguments else "classification"


def read_metrics(values: Mapping, where: str | Path = "metrics"):
    """Reads and checks the content of `metrics.json`, by its task.

    Args:
        values: the content.
        where: name of the file, for errors.

    Returns:
        `Metrics` of a classifier, or `ReconstructionMetrics`.

    Raises:
        ValueError: if the task is unknown, or a key is wrong; the message names file and key.

    >>> test = {"examples": 10, "clean": 0.9, "certified": {"0.5": 0.7}}
    >>> read_metrics({"format_version": 1, "test": test}).task
    'classification'
    """
    task = values.get("task", "classification")
    if task not in TASKS:
        known = " or ".join(map(repr, TASKS))
        raise ValueError(f"{where}: {mismatch('task', known, task)}")
    return TASKS[task].read_metrics(values, where)
