"""How a model was trained: the part of `metrics.json` that is about the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lipzoo_catalogue.json_validation import mismatch


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
    splits: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    recipe_sha256: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    hardware: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    backend: str = ""

    @classmethod
    def from_dict(cls, values: Mapping, where: str | Path = "metrics") -> "TrainingRecord":
        """Reads the content of `metrics.json`.

        Raises:
            ValueError: if a value has the wrong type; the message names the file and the key.
        """

        def read(mapping, key, kind, what, default, prefix=""):
            value = mapping.get(key)
            if value is None:
                return default
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"{where}: {mismatch(prefix + key, what, value)}")
            return value

        def read_map(mapping, key, kind, what, prefix=""):
            found = read(mapping, key, dict, "an object", {}, prefix)
            return {name: read(found, name, kind, what, None, f"{prefix}{key}.") for name in found}

        data = read(values, "data", dict, "an object", {})
        splits = {key: data[key] for key in ("train", "validation", "test") if key in data}
        notes = read(data, "notes", list, "a list of texts", [], "data.")
        return cls(
            epochs=read(values, "epochs", int, "an integer", None),
            seed=read(values, "seed", int, "an integer", None),
            data_source=read(data, "source", str, "text", "", "data."),
            data_sha256=read(data, "sha256", str, "text", "", "data."),
            splits=read_map({"data": splits}, "data", int, "an integer"),
            notes=tuple(str(note) for note in notes),
            recipe_sha256=read(values, "recipe_sha256", str, "text", ""),
            seconds=read_map(values, "seconds", int | float, "a number"),
            hardware=read(values, "hardware", str, "text", ""),
            versions=read_map(values, "versions", str, "text"),
            backend=read(values, "backend", str, "text", ""),
        )
