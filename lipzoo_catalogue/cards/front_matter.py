"""The YAML at the beginning of a README on the Hub, from which it builds its pages."""

import yaml

from lipzoo_catalogue.model_info import ModelInfo
from lipzoo_catalogue.tasks import TASKS


def front_matter(info: ModelInfo, name: str) -> str:
    """Returns the front matter with its fences.

    Args:
        info: the model.
        name: its name there.
    """
    task = TASKS[info.task]
    values: dict[str, object] = {
        "library_name": "keras",
        "license": licence_id(info.licence),
        "pipeline_tag": task.pipeline_tag(info.config),
        "tags": ["lipzoo", "lipschitz", *task.tags(info.metrics), info.architecture.lower()],
    }
    datasets = info.text.datasets
    if datasets:
        values["datasets"] = list(datasets)
    if info.metrics is not None:
        data = {
            "name": info.dataset.split(" (")[0].split(":")[0] or "unnamed",
            "type": datasets[0] if datasets else source_name(info.training.data_source),
        }
        results = task.evaluation_results(info.config, info.metrics, data)
        values["model-index"] = [{"name": name, "results": results}]
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1_000)
    return f"---\n{text}---\n"


def licence_id(licence: str) -> str:
    """The Hub's name of a licence.

    >>> licence_id("Apache-2.0"), licence_id("my own terms")
    ('apache-2.0', 'other')
    """
    text = licence.strip().lower()
    return text if text and all(c.isalnum() or c in ".-" for c in text) else "other"


def source_name(source: str) -> str:
    """The name in a recipe's data source, which may be a path.

    >>> source_name("tfds:fashion_mnist"), source_name("/home/me/my_data.npz"), source_name("")
    ('fashion_mnist', 'my_data.npz', 'unnamed')
    """
    return source.rpartition(":")[2].replace("\\", "/").rstrip("/").rpartition("/")[2] or "unnamed"
