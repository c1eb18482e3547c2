"""Recipes: TOML files read into frozen dataclasses, with errors that name the file and the key."""

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError

from lipzoo.data.settings import DataSettings
from lipzoo.training.recipe_hash import settings_sha256
from lipzoo.training.settings import (
    EvaluationSettings,
    MeasurementSettings,
    ModelSettings,
    RegistrySettings,
    TrainingSettings,
)
from lipzoo_catalogue.task_names import CLASSIFICATION, RECONSTRUCTION


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names the file and the key."""


@dataclass(frozen=True)
class Recipe:
    """Everything that one training run depends on, besides the data itself."""

    name: str
    data: DataSettings
    model: ModelSettings
    training: TrainingSettings
    description: str = ""
    seed: int = 0
    measurement: MeasurementSettings = field(default_factory=MeasurementSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    registry: RegistrySettings = field(default_factory=RegistrySettings)

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            yield "name", "lower-case words joined by hyphens", self.name
        if not 0 <= self.seed < 2**31:
            yield "seed", "a whole number from 0 to 2**31 - 1", self.seed
        loss = self.training.loss.name
        if self.reconstructs != (loss == "mean_squared_error"):
            expected = "'mean_squared_error' with a [measurement] table, and only then"
            yield "training.loss.name", expected, loss
        if self.reconstructs and self.training.adversary.epsilon:
            expected = "no adversary for a reconstruction"
            yield "training.adversary.epsilon", expected, self.training.adversary.epsilon

    @property
    def reconstructs(self) -> bool:
        """Whether the recipe trains a reconstruction and not a classifier."""
        return self.measurement.noise > 0

    @property
    def task(self) -> str:
        """The task that its model's configuration states."""
        return RECONSTRUCTION if self.reconstructs else CLASSIFICATION

    def to_dict(self) -> dict:
        """The recipe as JSON values, defaults included."""
        return dataclasses.asdict(self)

    def sha256(self) -> str:
        """Hash of the recipe's values, the same for files that differ in layout only."""
        return settings_sha256(self)


def read_recipe(path: str | Path) -> Recipe:
    """Reads and validates a recipe file.

    Args:
        path: path of a TOML file.

    Returns:
        A `Recipe`.

    Raises:
        RecipeError: if the file cannot be read, is not TOML, or has a missing, unknown, mistyped
            or out-of-range key. The message names the file and the key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: the recipe cannot be read: {error}") from None
    return parse_recipe(text, where=str(path))


def parse_recipe(text: str, where: str = "recipe") -> Recipe:
    """Reads a recipe from TOML text; `where` names it in errors. See `read_recipe`.

    Example:

    >>> recipe = parse_recipe('''
    ... name = "tiny"
    ... data = {source = "sklearn:digits"}
    ... model = {architecture = "GradFlowNet"}
    ... training = {epochs = 2, batch_size = 32, learning_rate = 1e-3}
    ... ''')
    >>> recipe.training.loss.name
    'offset_cross_entropy'
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not a TOML file: {error}") from None
    return _build(Recipe, values, where, prefix="")


def replace_source(text: str, source: str) -> str:
    r"""Returns a recipe's text with another data source, and everything else as it was.

    A separate test source belongs to the old data and is taken out.

    Raises:
        RecipeError: if the text is no TOML, or has no `source` in a table `data`.

    Example:

    >>> print(replace_source('[data]\nsource = "tfds:mnist"\nvalidation = 0.1', "my.csv"))
    [data]
    source = "my.csv"
    validation = 0.1
    """
    document = parse_document(text)
    data: Any = document.get("data")
    if not isinstance(data, dict) or "source" not in data:
        raise RecipeError(
            "expected a recipe with a table [data] that has a key `source`. "
            f"Received: data={None if data is None else cast(Any, data).unwrap()!r}"
        )
    data["source"] = source
    data.pop("test", None)
    return tomlkit.dumps(document)


def parse_document(text: str, where: str = "recipe") -> tomlkit.TOMLDocument:
    """A recipe's text as a document that keeps layout and comments; `where` names it in errors.

    Raises:
        RecipeError: if it is no TOML.
    """
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise RecipeError(f"{where}: not a TOML file: {error}") from None


READING = (
    "header",
    "delimiter",
    "decimal",
    "comment",
    "label",
    "columns",
    "ignore",
    "missing",
    "missing_values",
)


def with_reading(settings: DataSettings, options: Sequence[str]) -> DataSettings:
    """Settings of `[data]` with those about tables replaced by what a command line gives.

    Args:
        settings: the settings.
        options: texts `KEY=VALUE`; a value is written as in a recipe, text also without quotes.

    Raises:
        RecipeError: for another key, or a value that it does not take.

    Example:
        >>> with_reading(DataSettings("a.csv"), ["label=class", "header=true"]).label
        'class'
    """
    given = {}
    for option in options:
        key, found, text = option.partition("=")
        if not found or key not in READING:
            raise RecipeError(
                f"--read: expected KEY=VALUE with a key among {', '.join(READING)}. "
                f"Received: {option!r}"
            )
        hint = typing.get_type_hints(DataSettings)[key]
        given[key] = _convert(hint, _value_of(text, hint), "--read", key)
    result = dataclasses.replace(settings, **given)
    for key, expected, value in result.check():
        raise RecipeError(f"--read: key {key!r}: expected {expected}. Received: {value!r}")
    return result


def line_of(option: str) -> str:
    """A line of `[data]` from `KEY=VALUE` of a command line; text also without quotes.

    Raises:
        RecipeError: if the option has another form.

    Example:
        >>> print(line_of("missing=drop"))
        missing = "drop"
        >>> print(line_of('label_names = {"1" = "sick"}'))
        label_names = {"1" = "sick"}
    """
    key, found, text = option.partition("=")
    key = key.strip()
    hints = typing.get_type_hints(DataSettings)
    if not found or not re.fullmatch(r"[A-Za-z0-9_-]+", key.partition(".")[0]) or "\n" in option:
        raise RecipeError(f"--set: expected KEY=VALUE. Received: {option!r}")
    value = _value_of(text.strip(), hints.get(key))
    # What is TOML as it stands is not written in another way.
    if isinstance(value, dict) or key not in hints:
        return option
    return tomlkit.dumps({key: value}).strip()


def _value_of(text, hint):
    """The value of `KEY=VALUE`: as in a recipe, or text without quotes, or one item of a list."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if typing.get_origin(hint) is tuple and not isinstance(value, list):
        value = [text if typing.get_args(hint)[0] is str else value]
    return value


def _build(cls, values: dict, where: str, prefix: str):
    """Builds the dataclass `cls` from a TOML table, checking names, types and ranges."""
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(fields)}."
            raise RecipeError(f"{where}: unknown key {prefix + key!r}. {advice}")
    arguments = {}
    for key, spec in fields.items():
        if key in values:
            arguments[key] = _convert(hints[key], values[key], where, prefix + key)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise RecipeError(f"{where}: missing key {prefix + key!r}")
    result = cls(**arguments)
    for key, expected, value in result.check():
        raise RecipeError(
            f"{where}: key {prefix + key!r}: expected {expected}. Received: {value!r}"
        )
    return result


def _convert(hint, value, where: str, key: str):
    """Checks `value` against a type hint of the recipe's dataclasses; no silent conversions."""
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise RecipeError(f"{where}: key {key!r}: expected a table. Received: {value!r}")
        return _build(hint, value, where, key + ".")
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise RecipeError(f"{where}: key {key!r}: expected a list. Received: {value!r}")
        return tuple(_convert(typing.get_args(hint)[0], item, where, key) for item in value)
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        # `1 == True` in Python: compare types too.
        if any(type(value) is type(choice) and value == choice for choice in choices):
            return value
        listed = ", ".join(repr(c).lower() if isinstance(c, bool) else repr(c) for c in choices)
        near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
        advice = f" Did you mean {near[0]!r}?" if near else ""
        raise RecipeError(
            f"{where}: key {key!r}: expected one of {listed}. Received: {value!r}.{advice}"
        )
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if type(value) in kinds:
        return value
    if float in kinds and type(value) is int:
        return float(value)
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    names |= {dict: "a table"}
    expected = " or ".join(names[kind] for kind in kinds if kind in names)
    raise RecipeError(f"{where}: key {key!r}: expected {expected}. Received: {value!r}")
