"""The configuration of a model: what its builder needs to make it again, as JSON."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipzoo_catalogue.files import FileRecord, dump_json, parse_json, read_file
from lipzoo_catalogue.json_validation import (
    check_keys,
    check_version,
    is_count,
    is_list,
    is_mapping,
    is_number,
    is_object,
    is_row,
    is_texts,
    mismatch,
)
from lipzoo_catalogue.task_names import CLASSIFICATION, RECONSTRUCTION, TASK_NAMES

FORMAT_VERSION = 1
# A configuration is refused before anything is built when it asks for more than this.
MAX_INTEGER = 65_536
MAX_INPUT_SIZE = 2**24
MAX_LIST_LENGTH = 4_096
MAX_DEPTH = 8

UNIT_PIXELS: Mapping[str, Any] = {"scale": "pixels in [0, 1]", "minimum": 0.0, "maximum": 1.0}


@dataclass(frozen=True)
class ModelConfig:
    """How to build a model again, and what its inputs and outputs mean.

    Written as `config.json`. A model is `ARCHITECTURES[architecture](**arguments)`; the file holds
    numbers and text only, and nothing in it is ever executed or deserialised into objects.

    Args:
        architecture: a name in `lipzoo.models.ARCHITECTURES`, such as `"GradFlowNet"`.
        arguments: arguments of its builder, all of them JSON values.
        preprocessing: the units of the input: `scale` in words, `minimum` and `maximum` of the
            values that the model is meant for (`None`: unbounded).
        class_names: names of the classes in the order of the logits; empty where there are none.
        feature_names: names of the features of a table, in their order; empty where there are none.
        task: what the model does, `"classification"` or `"reconstruction"`. Empty, as in files of
            earlier versions: what its arguments tell; models with an `operator` reconstruct.
        description: one line about the model.
        dataset: the data that it was trained on.
        data_licence: licence of the data.
        licence: licence of the weights.
        citation: how to cite the data.
        paper: arXiv number or address of the method.
        intended_use: what the model is for.
        limitations: what it is not for.
        lipzoo_version: the version that wrote the file.

    Raises:
        ValueError: if a value has the wrong type, two features have one name, the task is unknown
            or contradicts the arguments, or a limit is exceeded: integers up to 65,536, inputs up
            to 2²⁴ values, lists up to 4,096 items, nesting up to 8 levels.

    Example:

    >>> config = ModelConfig("GradFlowNet", {"input_shape": [28, 28, 1], "num_classes": 10})
    >>> ModelConfig.from_dict(config.to_dict()) == config
    True
    >>> config.task
    'classification'
    """

    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    preprocessing: Mapping[str, Any] = field(default_factory=lambda: dict(UNIT_PIXELS))
    class_names: tuple[str, ...] = ()
    description: str = ""
    dataset: str = ""
    data_licence: str = ""
    licence: str = ""
    citation: str = ""
    paper: str = ""
    intended_use: str = ""
    limitations: str = ""
    lipzoo_version: str = ""
    feature_names: tuple[str, ...] = ()
    task: str = ""

    def __post_init__(self) -> None:
        # Lists and tuples mean the same in JSON; one form makes equal configurations equal.
        object.__setattr__(self, "arguments", _plain(self.arguments))
        object.__setattr__(self, "preprocessing", _plain(self.preprocessing))
        for key in ("class_names", "feature_names"):
            if isinstance(getattr(self, key), list | tuple):
                object.__setattr__(self, key, tuple(getattr(self, key)))
        self._check()
        object.__setattr__(self, "task", _task(self.task, self.arguments))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return tuple(self.arguments.get("input_shape", ()))

    @property
    def num_classes(self) -> int | None:
        """Number of logits, or `None` for a model without a head."""
        return self.arguments.get("num_classes")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values, `format_version` first."""
        values: dict[str, Any] = {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}
        values["class_names"] = list(self.class_names)
        # Models without named features, and classifiers, keep the file that they had before there
        # were these keys.
        names, task = values.pop("feature_names"), values.pop("task")
        values |= {"feature_names": list(names)} if names else {}
        return {**values, **({"task": task} if task != CLASSIFICATION else {})}

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], where: str | Path = "configuration"
    ) -> "ModelConfig":
        """Reads what `to_dict` wrote; `where` names the file in errors.

        Raises:
            ValueError: if the version is newer, a key is unknown or missing, or a value is wrong.
        """
        check_version(values, FORMAT_VERSION, where)
        names = [f.name for f in dataclasses.fields(cls)]
        check_keys(values, ("format_version", *names), ("architecture", "arguments"), where)
        values = {key: value for key, value in values.items() if key != "format_version"}
        try:
            return cls(**values)
        except _ConfigError as error:
            raise ValueError(f"{where}: {error.args[0]}") from None

    def _check(self) -> None:
        for f in dataclasses.fields(self):
            if f.type is str and not isinstance(getattr(self, f.name), str):
                raise _ConfigError(mismatch(f.name, "text", getattr(self, f.name)))
        if not self.architecture:
            raise _ConfigError(mismatch("architecture", "a name", self.architecture))
        for key in ("class_names", "feature_names"):
            stated: Any = getattr(self, key)
            texts = list(stated) if is_row(stated) else None
            if not is_texts(texts):
                raise _ConfigError(mismatch(key, "a list of texts", stated))
            twice = sorted(name for name, n in Counter(texts).items() if n > 1)
            if twice:
                raise _ConfigError(mismatch(key, "names all different", twice))
        for key in ("arguments", "preprocessing"):
            if not isinstance(getattr(self, key), dict):
                raise _ConfigError(mismatch(key, "an object", getattr(self, key)))
            _check_limits(getattr(self, key), key)
        _check_shape(self.arguments)
        _check_preprocessing(self.preprocessing)
        names, features = self.class_names, self.feature_names
        if features and self.input_shape and len(features) != self.input_shape[-1]:
            expected = f"{self.input_shape[-1]} names, one for each feature"
            raise _ConfigError(mismatch("feature_names", expected, f"{len(features)} names"))
        if names and self.num_classes is not None and len(names) != self.num_classes:
            expected = f"{self.num_classes} names, one for each class"
            raise _ConfigError(mismatch("class_names", expected, f"{len(names)} names"))


class _ConfigError(ValueError):
    """A wrong value; `ModelConfig.from_dict` adds the file's name."""


def read_config(path: str | Path, record: FileRecord | None = None) -> ModelConfig:
    """Reads `config.json`.

    Args:
        path: path of the file, or of a folder that holds it.
        record: expected `FileRecord`, checked before the file is parsed.

    Returns:
        A `ModelConfig`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a valid configuration; the message names file and key.
    """
    path = Path(path)
    path = path / "config.json" if path.is_dir() else path
    return ModelConfig.from_dict(parse_json(read_file(path, record), path), path)


def dump_config(config: ModelConfig) -> bytes:
    """Returns the content of `config.json`."""
    return dump_json(config.to_dict())


def _plain(value: Any) -> Any:
    """Copies nested containers, with tuples as lists."""
    if is_mapping(value):
        return {key: _plain(item) for key, item in value.items()}
    if is_row(value):
        return [_plain(item) for item in value]
    return value


def _check_limits(value: object, key: str, depth: int = 1) -> None:
    """Refuses what is not JSON, and sizes that no model of this library has."""
    if depth > MAX_DEPTH:
        raise _ConfigError(mismatch(key, f"at most {MAX_DEPTH} levels", "more"))
    if is_object(value) or is_list(value):
        if len(value) > MAX_LIST_LENGTH:
            expected = f"at most {MAX_LIST_LENGTH} items"
            raise _ConfigError(mismatch(key, expected, f"{len(value)} items"))
        items: Iterable[tuple[object, object]] = (
            value.items() if isinstance(value, dict) else enumerate(value)
        )
        for name, item in items:
            if isinstance(value, dict) and not isinstance(name, str):
                raise _ConfigError(mismatch(key, "text keys", name))
            _check_limits(item, f"{key}.{name}", depth + 1)
    elif isinstance(value, bool | None):
        return
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise _ConfigError(mismatch(key, f"integers up to {MAX_INTEGER}", value))
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _ConfigError(mismatch(key, "a finite number", value))
    elif not isinstance(value, str):
        raise _ConfigError(mismatch(key, "a JSON value", value))


def _task(stated: str, arguments: Mapping[str, object]) -> str:
    """What a model does: as is stated, else as its arguments tell."""
    measures = arguments.get("operator") is not None
    stated = stated or (RECONSTRUCTION if measures else CLASSIFICATION)
    if stated not in TASK_NAMES:
        raise _ConfigError(mismatch("task", " or ".join(map(repr, TASK_NAMES)), stated))
    if measures and stated != RECONSTRUCTION:
        expected = f"{RECONSTRUCTION!r} of a model with 'arguments.operator'"
        raise _ConfigError(mismatch("task", expected, stated))
    if arguments.get("num_classes") is not None and stated != CLASSIFICATION:
        expected = f"{CLASSIFICATION!r} of a model with 'arguments.num_classes'"
        raise _ConfigError(mismatch("task", expected, stated))
    return stated


def _check_shape(arguments: Mapping[str, object]) -> None:
    shape = arguments.get("input_shape")
    if shape is not None:
        sizes = [n for n in shape if is_count(n)] if is_list(shape) else []
        if not is_list(shape) or not shape or len(sizes) != len(shape):
            raise _ConfigError(
                mismatch("arguments.input_shape", "a list of positive integers", shape)
            )
        if math.prod(sizes) > MAX_INPUT_SIZE:
            expected = f"at most {MAX_INPUT_SIZE} values"
            raise _ConfigError(mismatch("arguments.input_shape", expected, shape))
    classes = arguments.get("num_classes")
    if classes is not None and not is_count(classes):
        raise _ConfigError(mismatch("arguments.num_classes", "a positive integer", classes))


def _check_preprocessing(preprocessing: Mapping[str, object]) -> None:
    for key in ("scale", "minimum", "maximum"):
        if key not in preprocessing:
            raise _ConfigError(f"missing key 'preprocessing.{key}'")
    if not isinstance(preprocessing["scale"], str):
        raise _ConfigError(mismatch("preprocessing.scale", "text", preprocessing["scale"]))
    bounds: list[float] = []
    for key in ("minimum", "maximum"):
        value = preprocessing[key]
        if is_number(value):
            bounds.append(value)
        elif value is not None:
            expected = "a number or null"
            raise _ConfigError(mismatch(f"preprocessing.{key}", expected, value))
    if len(bounds) == 2 and not bounds[0] < bounds[1]:
        raise _ConfigError(mismatch("preprocessing.maximum", "above the minimum", bounds[1]))
