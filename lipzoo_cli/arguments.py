"""What several commands make of their arguments, and how they print JSON."""

import argparse
import json
import math
from pathlib import Path

from lipzoo_catalogue.formatting import parse_fraction
from lipzoo_catalogue.hub.client import HubSettings


def settings_of(arguments: argparse.Namespace) -> HubSettings:
    """How the Hub is reached, from the options of a command."""
    return HubSettings(arguments.cache_dir, arguments.offline)


def model_of(text: str) -> str | Path:
    """What a user names: a name of the zoo means the same wherever it is typed, else a folder."""
    from lipzoo_catalogue.registry import is_known

    return Path(text) if not is_known(text) and Path(text).is_dir() else text


def is_exported(text: str) -> bool:
    """Whether a user names an exported file, or the folder of a SavedModel, and no model."""
    from lipzoo_catalogue.registry import is_known

    path = Path(text).expanduser()
    return not is_known(text) and (path.is_file() or (path / "saved_model.pb").is_file())


def is_onnx(text: str) -> bool:
    """Whether a user names an ONNX file, and no model of the zoo."""
    from lipzoo_catalogue.onnx_file import SUFFIX
    from lipzoo_catalogue.registry import is_known

    return Path(text).suffix.lower() == SUFFIX and not is_known(text) and not Path(text).is_dir()


def is_keras_file(text: str) -> bool:
    """Whether a user names a file of `keras.Model.save`, and no model of the zoo."""
    from lipzoo_catalogue.registry import is_known

    return Path(text).suffix == ".keras" and not is_known(text) and not Path(text).is_dir()


def domain_of(arguments: argparse.Namespace) -> tuple[float, float] | None:
    """The box of `--domain`, or `None`.

    Raises:
        ValueError: if the numbers are none, not finite, or the first is above the second.
    """
    if arguments.domain is None:
        return None
    ends: list[str] = [text.strip() for text in arguments.domain]
    try:
        low, high = map(parse_fraction, ends)
    except ValueError as error:
        raise ValueError(f"--domain: {error}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(
            "--domain: expected two finite numbers, the first at most the second. "
            f"Received: {' '.join(ends)}"
        )
    return low, high


def print_json(values: object) -> None:
    """Prints indented JSON."""
    print(json.dumps(values, indent=2, ensure_ascii=False))
