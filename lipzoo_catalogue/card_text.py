"""`card.toml`: what only a person can say of a model; no certificate depends on it."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipzoo_catalogue.json_validation import (
    check_keys,
    expect,
    is_text,
    is_texts,
)


@dataclass(frozen=True)
class CardText:
    """Texts for a model card; what is empty is taken from the configuration, or left out.

    Args:
        intended_use: what the model is for.
        limitations: what it is not for.
        datasets: names of the training data on the Hub.
        notes: what else a user should know.
        description: one line about the model.
        dataset: the data that it was trained on, in words.
        data_licence: licence of the data.
        citation: how to cite the data.

    >>> CardText.from_toml('intended_use = "Sorting clothes"').intended_use
    'Sorting clothes'
    """

    intended_use: str = ""
    limitations: str = ""
    datasets: tuple[str, ...] = ()
    notes: str = ""
    description: str = ""
    dataset: str = ""
    data_licence: str = ""
    citation: str = ""

    @classmethod
    def from_toml(cls, text: str, where: str | Path = "card.toml") -> "CardText":
        """Reads TOML text.

        Raises:
            ValueError: if it is no TOML, or a key is unknown or of the wrong type; the message
                names the file and the key.
        """
        try:
            values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{where}: not a TOML file: {error}") from None
        check_keys(values, [f.name for f in dataclasses.fields(cls)], (), where)
        names = values.pop("datasets", [])
        datasets = expect(names, is_texts, "a list of texts", "datasets", where)
        texts = {key: expect(values[key], is_text, "text", key, where) for key in values}
        return cls(datasets=tuple(datasets), **texts)
