"""How a model was trained: the part of `metrics.json` that is about the run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard, TypeVar

from lipzoo_catalogue.json_validation import (
    is_integer,
    is_list,
    is_number,
    is_object,
    is_text,
    optional,
)

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class TrainingRecord:
    """What a run notes about itself; everything is optional.

    Args:
        epochs: number of epochs.
        seed: seed of the run.
        data_source: the recipe's name of the data.
        data_sha256: hash over all splits.
        splits: number of examples by split.
        notes: what a reader of the numbers should know.
        recipe_sha256: hash of the recipe's values.
        seconds: time by phase.
        hardware: processors and accelerators.
        versions: versions by package, and of Python.
        backend: the Keras backend.

    >>> TrainingRecord.from_dict({"epochs": 40, "data": {"source": "tfds:mnist"}}).data_source
    'tfds:mnist'
    """

    epochs: int | None = None
    seed: int | None = None
    data_source: str = ""
    data_sha256: str = ""
    splits: Mapping[str, int] = field(default_factory=dict[str, int])
    notes: tuple[str, ...] = ()
    recipe_sha256: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    hardware: str = ""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    backend: str = ""

    @classmethod
    def from_dict(
        cls, values: Mapping[str, object], where: str | Path = "metrics"
    ) -> "TrainingRecord":
        """Reads the content of `metrics.json`.

        Raises:
            ValueError: if a value has the wrong type; the message names the file and the key.
        """

        def text(part: Mapping[str, object], key: str, prefix: str = "") -> str:
            return optional(part, key, is_text, "text", where, prefix) or ""

        data = _object(values, "data", where)
        splits = {key: data[key] for key in ("train", "validation", "test") if key in data}
        notes = optional(data, "notes", is_list, "a list of texts", where, "data.") or ()
        seconds, versions = (_object(values, key, where) for key in ("seconds", "versions"))
        return cls(
            epochs=optional(values, "epochs", is_integer, "an integer", where),
            seed=optional(values, "seed", is_integer, "an integer", where),
            data_source=text(data, "source", "data."),
            data_sha256=text(data, "sha256", "data."),
            splits=_map(splits, is_integer, "an integer", where, "data."),
            notes=tuple(map(str, notes)),
            recipe_sha256=text(values, "recipe_sha256"),
            seconds=_map(seconds, is_number, "a number", where, "seconds."),
            hardware=text(values, "hardware"),
            versions=_map(versions, is_text, "text", where, "versions."),
            backend=text(values, "backend"),
        )


def _object(values: Mapping[str, object], key: str, where: str | Path) -> Mapping[str, object]:
    """The object at a key, an empty one where there is none."""
    return optional(values, key, is_object, "an object", where) or {}


def _map(
    values: Mapping[str, object],
    fits: Callable[[object], TypeGuard[_Value]],
    what: str,
    where: str | Path,
    prefix: str,
) -> dict[str, _Value]:
    """An object whose values are all of one kind; null is left out."""
    read = {name: optional(values, name, fits, what, where, prefix) for name in values}
    return {name: value for name, value in read.items() if value is not None}
