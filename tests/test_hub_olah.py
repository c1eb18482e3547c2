"""An independent reader: olah, a mirror of the Hub, serves a git repository as it was published."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from huggingface_hub import snapshot_download

import lipzoo
from lipzoo import zoo
from lipzoo.zoo.weights import read_variables
from tests.hub_client import REPO, SETTINGS, hub, model_files
from tests.hub_server import WRITER

__all__ = ["hub"]
MODEL = "hamnet-swissroll"


@contextlib.contextmanager
def olah(folder, repositories):
    """Runs olah offline on the git repositories below a folder; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "olah.toml"
    config.write_text(
        f'[basic]\nhost = "127.0.0.1"\nport = {port}\nrepos-path = "{folder / "store"}"\n'
        f'mirrors-path = ["{repositories}"]\n\n[accessibility]\noffline = true\n'
    )
    with open(folder / "olah.log", "w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "olah.server", "-c", str(config)],
            cwd=folder,
            env={key: v for key, v in os.environ.items() if not key.startswith("HF_")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(300):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(
                        f"{url}/api/models/{REPO}/revision/main", timeout=5
                    ).close()
                    break
                assert process.poll() is None, (folder / "olah.log").read_text()[-2000:]
                time.sleep(0.1)
            else:
                raise AssertionError((folder / "olah.log").read_text()[-2000:])
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_is_published_is_read_by_others(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", WRITER)
    zoo.publish(MODEL, REPO)
    revision = hub.write_git(REPO, tmp_path / "mirrors" / "models" / REPO)
    for key in SETTINGS:
        monkeypatch.delenv(key, raising=False)
    with olah(tmp_path, tmp_path / "mirrors") as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        folder = snapshot_download(
            REPO, revision=revision, cache_dir=tmp_path / "snapshot", endpoint=url
        )
        for file, content in model_files().items():
            with open(os.path.join(folder, file), "rb") as found:
                assert found.read() == content
        model = lipzoo.load(f"hf://{REPO}@{revision}")
        by_branch = lipzoo.load(f"hf://{REPO}", cache_dir=tmp_path / "other")
        assert lipzoo.verify(f"hf://{REPO}@{revision}").passed
    for name, value in read_variables(lipzoo.load(MODEL)).items():
        np.testing.assert_array_equal(read_variables(model)[name], value)
        np.testing.assert_array_equal(read_variables(by_branch)[name], value)
