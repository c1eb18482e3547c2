"""Train, publish, load elsewhere: several processes and one Hub, as in real use."""

import json
import signal
import time

import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from tests.hub_client import REPO, environment, hub, model_files
from tests.hub_server import WRITER
from tests.processes import COMMAND, Fresh
from tests.tiny_runs import recipe_text, write_blobs

__all__ = ["hub"]

# What a user of the published model runs; the result is compared to the bit.
_USE = """
import sys
import numpy as np
import lipzoo
address, inputs, outputs = sys.argv[1:]
model = lipzoo.load(address)
x = np.load(inputs)
certificate = lipzoo.certify(model, x, verbose=0)
np.savez(
    outputs,
    logits=model.predict(x, verbose=0),
    radius=certificate.radius,
    bound=lipzoo.lipschitz_bound(model).value,
)
"""


def use(model, x):
    certificate = lipzoo.certify(model, x, verbose=0)
    return {
        "logits": model.predict(x, verbose=0),
        "radius": certificate.radius,
        "bound": lipzoo.lipschitz_bound(model).value,
    }


def test_a_trained_model_comes_back_to_the_bit(hub, tmp_path, monkeypatch, capsys):
    source = write_blobs(tmp_path / "blobs.npz")
    (tmp_path / "tiny.toml").write_text(recipe_text(source))
    run = tmp_path / "run"
    assert lipzoo_cli.main(["train", str(tmp_path / "tiny.toml"), "--out", str(run)]) == 0
    monkeypatch.setenv("HF_TOKEN", WRITER)
    capsys.readouterr()
    assert lipzoo_cli.main(["publish", str(run), "--repo", REPO, "--json"]) == 0
    published = json.loads(capsys.readouterr().out)
    monkeypatch.delenv("HF_TOKEN")
    x = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    expected = use(lipzoo.load(run), x)

    # Two processes with one empty cache, at the same time; slow bytes make them overlap.
    address = f"hf://{REPO}@{published['revision']}"
    hub.fail("^GET .*resolve", "slow", times=6, seconds=0.05)
    variables = environment(hub, tmp_path / "elsewhere")
    outputs = [tmp_path / "first.npz", tmp_path / "second.npz"]
    processes = [
        Fresh(_USE, address, tmp_path / "x.npy", output, **variables) for output in outputs
    ]
    for process, output in zip(processes, outputs, strict=True):
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        found = np.load(output)
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value)

    # Then without any network: the server is gone.
    hub.__exit__()
    monkeypatch.setenv("HF_HOME", str(tmp_path / "elsewhere"))
    for key, value in use(lipzoo.load(address), x).items():
        np.testing.assert_array_equal(value, expected[key])
    entry = published["registry"]["tiny-blobs"]
    assert (entry["repo"], entry["revision"]) == (REPO, published["revision"])


@pytest.mark.parametrize("exists", [False, True])
def test_an_upload_that_is_interrupted_leaves_nothing(hub, tmp_path, exists):
    if exists:
        hub.add(REPO, {**model_files(), "config.json": b"{}", "model.safetensors": b"old"})
    before = hub.state()
    hub.fail("^PUT", "stall", seconds=2.0)
    variables = {**environment(hub, tmp_path / "cache"), "HF_TOKEN": WRITER}
    process = Fresh(COMMAND, "publish", "hamnet-swissroll", "--repo", REPO, **variables)
    deadline = time.monotonic() + 60
    while not any(line.startswith("PUT") for line in hub.requests):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    assert "lipzoo publish: interrupted" in errors
    assert WRITER not in errors
    assert hub.state() == before


def test_a_download_that_is_killed_leaves_nothing_that_is_used(hub, tmp_path):
    commit = hub.add(REPO, model_files())
    hub.fail("^GET .*safetensors", "hang", seconds=20.0)
    cache = tmp_path / "cache" / "hub"
    address = f"hf://{REPO}@{commit}"
    process = Fresh(COMMAND, "download", address, **environment(hub, tmp_path / "cache"))
    deadline = time.monotonic() + 60
    while not any(line.startswith("GET") and "safetensors" in line for line in hub.requests):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    assert list(cache.rglob("*.incomplete"))
    assert not list(cache.rglob("snapshots/*/model.safetensors"))
    model = lipzoo.load(f"hf://{REPO}@{commit}")
    assert lipzoo.verify(f"hf://{REPO}@{commit}").passed
    bundled = lipzoo.load("hamnet-swissroll")
    for found, expected in zip(model.get_weights(), bundled.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
