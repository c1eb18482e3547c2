"""How a model was trained: the part of `metrics.json` that is about the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lipzoo_catalogue.json_validation import is_list, is_object, mismatch

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
        data = _object(values, "data", where)
        splits = {key: data[key] for key in ("train", "validation", "test") if key in data}
        notes = data.get("notes")
        if notes is not None and not is_list(notes):
            raise ValueError(f"{where}: {mismatch('data.notes', 'a list of texts', notes)}")
        return cls(
            epochs=_read(values, "epochs", int, "an integer", where),
            seed=_read(values, "seed", int, "an integer", where),
            data_source=_read(data, "source", str, "text", where, "data.") or "",
            data_sha256=_read(data, "sha256", str, "text", where, "data.") or "",
            splits=_map({"data": splits}, "data", int, "an integer", where),
            notes=tuple(str(note) for note in notes or ()),
            recipe_sha256=_read(values, "recipe_sha256", str, "text", where) or "",
            seconds=_map(values, "seconds", (int, float), "a number", where),
            hardware=_read(values, "hardware", str, "text", where) or "",
            versions=_map(values, "versions", str, "text", where),
            backend=_read(values, "backend", str, "text", where) or "",
        )


def _read(
    values: Mapping[str, object],
    key: str,
    kind: type[_Value] | tuple[type[_Value], ...],
    what: str,
    where: str | Path,
    prefix: str = "",
) -> _Value | None:
    """The value of a key, `None` where there is none or null."""
    value = values.get(key)
    if value is None:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{where}: {mismatch(prefix + key, what, value)}")
    return value


def _object(values: Mapping[str, object], key: str, where: str | Path) -> Mapping[str, object]:
    """The object at a key, an empty one where there is none."""
    found = values.get(key)
    if found is None:
        return {}
    if not is_object(found):
        raise ValueError(f"{where}: {mismatch(key, 'an object', found)}")
    return found


def _map(
    values: Mapping[str, object],
    key: str,
    kind: type[_Value] | tuple[type[_Value], ...],
    what: str,
    where: str | Path,
) -> dict[str, _Value]:
    """An object whose values are all of one kind; null is left out."""
    found = _object(values, key, where)
    read = {name: _read(found, name, kind, what, where, f"{key}.") for name in found}
    return {name: value for name, value in read.items() if value is not None}
