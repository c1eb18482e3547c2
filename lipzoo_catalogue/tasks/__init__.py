"""What models do, and so what is measured of them and how it is shown: one module for each task.

`metrics.json` names the task, `"task": "classification"` unless it says otherwise. Each module has
`read_metrics`, `summary`, `plain_lines`, `results`, `warning`, `evaluation_results`,
`pipeline_tag`, `tags`, `purpose` and `usage`; nothing else in lipzoo distinguishes tasks in print.
"""

from collections.abc import Mapping
from pathlib import Path

from lipzoo_catalogue import checks
from lipzoo_catalogue.tasks import classification, reconstruction

TASKS = {"classification": classification, "reconstruction": reconstruction}


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
        raise ValueError(f"{where}: {checks.expected('task', known, task)}")
    return TASKS[task].read_metrics(values, where)
