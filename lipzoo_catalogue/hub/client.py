"""The settings and the patience with which the Hub is asked."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lipzoo_catalogue.hub.errors import status_of

# The client repeats most requests itself, but not a download that the server breaks off with 5xx.
ATTEMPTS = 3
PAUSE_SECONDS = 1.0
_Answer = TypeVar("_Answer")
_TRUE = {"1", "ON", "YES", "TRUE"}


@dataclass(frozen=True)
class HubSettings:
    """How the Hub is reached.

    `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HOME` and `HF_HUB_CACHE` are read at each call;
    `huggingface_hub` itself reads them once, when it is imported.

    Args:
        cache_dir: folder of the cache. Default: `HF_HUB_CACHE`, `HF_HOME/hub`, or that of
            `huggingface_hub`.
        local_files_only: whether to use the cache only and make no request.
        token: access token; `None` for the one of `HF_TOKEN` or of `hf auth login`, `False` for
            none. It is passed on to the Hub and kept nowhere.
    """

    cache_dir: str | Path | None = None
    local_files_only: bool = False
    token: str | bool | None = None

    def __repr__(self) -> str:
        shown = "None" if self.token is None else "***"
        return (
            f"HubSettings(cache_dir={self.cache_dir!r}, "
            f"local_files_only={self.local_files_only!r}, token={shown})"
        )

    def arguments(self) -> dict[str, Any]:
        """The arguments of `huggingface_hub.hf_hub_download` that say the same."""
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE
        return {
            "cache_dir": self.cache_dir or _cache_of_environment(),
            "local_files_only": self.local_files_only or offline,
            "token": self.token,
            "endpoint": endpoint(),
        }


def endpoint() -> str | None:
    """The address in `HF_ENDPOINT`, or `None` for the Hub's own."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def patiently(function: Callable[[], _Answer]) -> _Answer:
    """Returns `function()`, repeated after a pause when the server fails with a status 5xx.

    >>> patiently(lambda: "answer")
    'answer'
    """
    for attempt in range(ATTEMPTS):
        try:
            return function()
        except Exception as error:
            status = status_of(error)
            if status is None or status < 500 or attempt + 1 == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


def _cache_of_environment() -> str | None:
    if os.environ.get("HF_HUB_CACHE"):
        return os.environ["HF_HUB_CACHE"]
    if os.environ.get("HF_HOME"):
        return os.path.join(os.environ["HF_HOME"], "hub")
    return None
