"""What the tests of the Hub share: a server of their own, an empty cache, no waiting."""

import time
import types
from pathlib import Path

import pytest

from lipzoo_catalogue.registry import weights_folder
from tests.hub_server import Hub

MODEL = "hamnet-swissroll"
REPO = "someone/roll"
SETTINGS = ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN")


def model_files(name=MODEL):
    """The files of a small model of the zoo."""
    return {path.name: path.read_bytes() for path in (weights_folder() / name).iterdir()}


def environment(hub, cache):
    """Environment variables for a process that uses this server and this cache."""
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on loopback, which this process uses with an empty cache."""
    with Hub() as server:
        for key in SETTINGS:
            monkeypatch.delenv(key, raising=False)
        for key, value in environment(server, tmp_path / "cache").items():
            monkeypatch.setenv(key, value)
        yield server


@pytest.fixture
def no_waiting(monkeypatch):
    """Pauses before another attempt take no time; how often is tried stays as it is."""
    quick = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    monkeypatch.setattr("huggingface_hub.utils._http.time", quick)
    monkeypatch.setattr("huggingface_hub.file_download.time", quick)
    monkeypatch.setattr("lipzoo_catalogue.hub.client.time", quick)


def cached_files(tmp_path):
    """The contents in the cache, and no file that is still being written."""
    blobs = [path for path in (tmp_path / "cache").rglob("blobs/*") if path.is_file()]
    assert not list(Path(tmp_path).rglob("*.incomplete"))
    return {path.read_bytes() for path in blobs}
