"""The Keras backend that is asked for, checked before Keras fails on it with a traceback."""

import importlib.util
import json
import os
import sys
from pathlib import Path

from lipzoo_catalogue.installing import how_to_install

# The default comes with lipzoo; each of the others has an extra of its name.
BACKENDS = ("tensorflow", "jax", "torch")


def requested_backend() -> tuple[str, str]:
    """Returns the backend that Keras will import, and the setting that says so.

    Keras takes the environment variable KERAS_BACKEND, or else the key `backend` of `keras.json` in
    KERAS_HOME or `~/.keras`, or else TensorFlow; once it is imported, it keeps its backend.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend(), "keras.backend.backend()"
    if name := os.environ.get("KERAS_BACKEND"):
        return name, "KERAS_BACKEND"
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))["backend"], f"backend in {path}"
    except (OSError, ValueError, KeyError, TypeError):
        return BACKENDS[0], "the default"


def check_backend() -> None:
    """Raises unless the backend that is asked for is one of lipzoo's, and installed.

    Raises:
        ValueError: for another backend.
        ImportError: for one that is not installed; it says which extra to install.

    Example:

    >>> check_backend()
    """
    name, setting = requested_backend()
    if name not in BACKENDS:
        raise ValueError(
            f"Expected a Keras backend among {', '.join(BACKENDS)}; set KERAS_BACKEND. "
            f"Received: {setting}={name!r}"
        )
    if importlib.util.find_spec(name) is None:
        how = "pip install tensorflow" if name == BACKENDS[0] else how_to_install(name)
        raise ImportError(
            f"Expected the Keras backend {name!r} to be installed: {how}, or set "
            f"KERAS_BACKEND to another one of {', '.join(BACKENDS)}. Received: {setting}={name!r}"
        )
