"""Loading from the Hub, with the real client against a real server that may fail."""

import json

import numpy as np
import pytest

import lipzoo
from lipzoo.zoo.weights import read_variables
from lipzoo_catalogue.files import record_of
from lipzoo_catalogue.hub.errors import HubError
from lipzoo_catalogue.hub.location import parse_location
from lipzoo_catalogue.model_source import find
from tests import zoo_models
from tests.hub_client import MODEL, REPO, cached_files, hub, model_files, no_waiting
from tests.hub_server import READER, WRITER

__all__ = ["hub", "no_waiting"]
ADDRESS = f"hf://{REPO}"


@pytest.fixture
def commit(hub):
    """A model on the Hub, beside files that are none of lipzoo's business."""
    others = {"evil.pkl": b"\x80\x04.", "modeling.py": b"raise SystemExit", "README.md": b"# hi"}
    return hub.add(REPO, {**model_files(), **others})


def assert_bundled(model):
    expected = read_variables(lipzoo.load(MODEL))
    found = read_variables(model)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def asked_for(hub, file):
    return [line for line in hub.requests if line.endswith(file)]


def test_a_model_of_anyone_is_loaded_by_its_address(hub, commit):
    model = lipzoo.load(ADDRESS)
    assert_bundled(model)
    assert model.name == "roll"
    assert not asked_for(hub, ".pkl")
    assert not asked_for(hub, ".py")


def test_once_downloaded_by_commit_id_no_request_is_made(hub, commit):
    lipzoo.load(f"{ADDRESS}@{commit}")
    hub.requests.clear()
    assert_bundled(lipzoo.load(f"{ADDRESS}@{commit}"))
    assert_bundled(lipzoo.load(ADDRESS, revision=commit))
    assert hub.requests == []


def test_tags_and_branches_mean_what_they_mean_now(hub, commit):
    hub.repositories[REPO].tags["v1"] = commit
    newer = hub.add(REPO, {**hub.files(REPO), "notes.txt": b"more"})
    assert find(f"{ADDRESS}@v1").location.revision == commit
    assert find(ADDRESS).location.revision == newer
    assert find(ADDRESS, revision="v1").location.revision == commit


def test_without_network_the_cache_is_used_if_that_is_wanted(hub, commit, monkeypatch):
    lipzoo.load(ADDRESS)
    hub.requests.clear()
    assert_bundled(lipzoo.load(ADDRESS, local_files_only=True))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert_bundled(lipzoo.load(ADDRESS))
    with pytest.raises(HubError, match="not in the cache, and the network is not to be used"):
        lipzoo.load("hf://someone/else")
    assert hub.requests == []


def test_a_dead_network_is_survived_by_what_is_in_the_cache(hub, commit, no_waiting):
    lipzoo.load(ADDRESS)
    hub.fail("resolve", "drop", times=10_000)
    assert_bundled(lipzoo.load(f"{ADDRESS}@{commit}"))
    assert_bundled(lipzoo.load(ADDRESS, local_files_only=True))
    with pytest.raises(HubError, match=r"Cannot get config\.json of hf://someone/else: "):
        lipzoo.load("hf://someone/else")


def test_the_cache_can_be_elsewhere(hub, commit, tmp_path):
    lipzoo.load(ADDRESS, cache_dir=tmp_path / "mine")
    assert (tmp_path / "mine" / "models--someone--roll").is_dir()
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def published(hub, commit, tmp_path, monkeypatch):
    """A zoo whose model is on the Hub and not bundled; the registry vouches for its files."""
    entry = {
        "repo": REPO,
        "revision": commit,
        "parameters": 154,
        "files": {file: vars(record_of(content)) for file, content in model_files().items()},
    }
    weights = tmp_path / "weights"
    weights.mkdir()
    values = {"format_version": 1, "models": {MODEL: entry}}
    (weights / "registry.json").write_text(json.dumps(values))
    zoo_models.use_zoo(monkeypatch, tmp_path)
    return weights


def test_what_is_known_of_a_published_model_needs_no_weights(hub, published):
    assert lipzoo.info(MODEL).parameters == 154
    assert not asked_for(hub, ".safetensors")


def test_a_published_model_of_the_zoo_is_downloaded_by_its_name(hub, published):
    model = lipzoo.load(MODEL)
    assert model.name == MODEL
    assert lipzoo.info(MODEL).repo == REPO
    hub.requests.clear()
    lipzoo.load(MODEL)
    assert lipzoo.verify(MODEL).passed
    assert hub.requests == []


def test_bundled_weights_are_preferred(hub, published):
    folder = published / MODEL
    folder.mkdir()
    for file, content in model_files().items():
        (folder / file).write_bytes(content)
    lipzoo.load(MODEL)
    assert hub.requests == []
    assert find(MODEL, revision="main").origin == "Hub"


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "certificate.json"])
def test_what_the_registry_does_not_vouch_for_is_refused(hub, published, file):
    repository = hub.repositories[REPO]
    files = repository.commits[repository.head]
    files[file] = files[file][:-2] + b"  " if file.endswith("json") else bytes(len(files[file]))
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"{file} was altered: .* lipzoo download .* --force"):
            lipzoo.load(MODEL)


def test_a_bundled_model_has_no_revisions(hub):
    with pytest.raises(ValueError, match="has not been published on the Hub"):
        lipzoo.load(MODEL, revision="v1")
    with pytest.raises(ValueError, match="Expected revision only for a model on the Hub"):
        lipzoo.load("./anything", revision="v1")
    assert hub.requests == []


TRANSIENT = {
    "a file breaks off": ("^GET .*safetensors", {"kind": "cut"}),
    "an error while downloading": ("^GET .*safetensors", {"status": 500}),
    "two errors while downloading": ("^GET .*config", {"status": 503, "times": 2}),
    "an error at first": ("^HEAD .*config", {"status": 502}),
    "too many requests": ("^GET .*config", {"status": 429, "headers": {"Retry-After": "0"}}),
    "no answer": ("^GET .*certificate", {"kind": "drop"}),
    "slow bytes": ("^GET .*safetensors", {"kind": "slow"}),
}


@pytest.mark.parametrize("fault", TRANSIENT)
def test_passing_trouble_is_overcome(hub, commit, no_waiting, tmp_path, fault):
    pattern, options = TRANSIENT[fault]
    hub.fail(pattern, **options)
    assert_bundled(lipzoo.load(ADDRESS))
    assert not any(fault.times for fault in hub.faults)
    assert cached_files(tmp_path) <= set(hub.files(REPO).values())


def test_a_download_that_broke_off_goes_on_where_it_was(hub, commit, no_waiting):
    hub.fail("^GET .*safetensors", "cut")
    lipzoo.load(ADDRESS)
    assert len(asked_for(hub, ".safetensors")) == 4  # two HEAD, two GET


LASTING = {
    "an error": ({"status": 500}, "the Hub has an internal trouble, status 500"),
    "too many requests": ({"status": 429, "headers": {"Retry-After": "0"}}, "fewer requests"),
    "forbidden": ({"status": 403}, "the token has no permission"),
    "no answer": ({"kind": "drop"}, "Check the network, HF_ENDPOINT"),
    "breaking off": ({"kind": "cut"}, "Check the network, HF_ENDPOINT"),
    "another size": ({"kind": "alter", "body": b"short"}, "(Consistency check|should be of size)"),
}


@pytest.mark.parametrize("fault", LASTING)
def test_lasting_trouble_is_a_clear_error_and_leaves_nothing_behind(
    hub, commit, no_waiting, tmp_path, fault
):
    options, message = LASTING[fault]
    hub.fail("^GET .*safetensors", times=10_000, **options)
    with pytest.raises(HubError, match=message) as caught:
        lipzoo.load(ADDRESS)
    assert "model.safetensors of hf://someone/roll" in str(caught.value)
    assert hub.files(REPO)["model.safetensors"] not in cached_files(tmp_path)
    hub.faults.clear()
    assert_bundled(lipzoo.load(ADDRESS))


def test_missing_and_private_are_told_apart_as_far_as_the_hub_does(hub, commit, monkeypatch):
    hub.add("someone/secret", model_files(), private=True)
    hub.add("someone/gated", model_files(), gated=True)
    for name in ("hf://someone/nothing", "hf://someone/secret"):
        with pytest.raises(HubError, match=r"does not exist, or it is private .* set HF_TOKEN or"):
            lipzoo.load(name)
    with pytest.raises(HubError, match=r"the repository is gated\. Ask for access"):
        lipzoo.load("hf://someone/gated", token=READER)
    with pytest.raises(HubError, match="no such revision"):
        lipzoo.load(f"{ADDRESS}@v7")
    hub.add("someone/empty", {"config.json": model_files()["config.json"]})
    with pytest.raises(HubError, match=r"Cannot get certificate\.json .* no such file"):
        lipzoo.load("hf://someone/empty")
    assert_bundled(lipzoo.load("hf://someone/secret", token=READER))
    monkeypatch.setenv("HF_TOKEN", WRITER)
    assert_bundled(lipzoo.load("hf://someone/gated"))


def test_a_token_is_never_shown(hub, commit, monkeypatch, caplog, capsys, tmp_path):
    secrets = ["hf_invalidinvalid", "a-token-of-another-form"]
    for secret in secrets:
        with pytest.raises(HubError, match=r"does not accept the token .*\*\*\*") as caught:
            lipzoo.load(ADDRESS, token=secret)
        assert secret not in repr(caught.value)
    monkeypatch.setenv("HF_TOKEN", secrets[1])
    with pytest.raises(HubError, match=r"\*\*\*") as caught:
        lipzoo.load(ADDRESS)
    shown = str(caught.value) + caplog.text + "".join(capsys.readouterr())
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    for secret in secrets:
        assert secret not in shown
        assert secret.encode() not in written


HTML = b"<html><body>503 Service Unavailable</body></html>"


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "certificate.json"])
@pytest.mark.parametrize("damage", ["one byte", "a web page"])
def test_altered_files_are_refused_and_named_until_they_are_replaced(hub, commit, file, damage):
    options = {"one byte": {}, "a web page": {"body": HTML}}[damage]
    hub.fail(f"^(GET|HEAD) .*{file}", "alter", times=10_000, **options)
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"{file} (was altered|is truncated)") as caught:
            lipzoo.load(ADDRESS)
        assert f"lipzoo download {ADDRESS}@{commit} --force" in str(caught.value)
    hub.faults.clear()
    find(f"{ADDRESS}@{commit}", force=True)
    assert_bundled(lipzoo.load(ADDRESS))


def test_a_damaged_cache_is_noticed(hub, commit, tmp_path):
    source = find(ADDRESS)
    path = (source.folder / "model.safetensors").resolve()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"truncated or altered: .* It is in the Hub's cache"):
        lipzoo.load(ADDRESS)
    path.unlink()
    assert_bundled(lipzoo.load(ADDRESS))


def test_what_is_too_large_is_not_even_downloaded(hub, commit):
    hub.fail("^HEAD .*config", "alter", headers={"Content-Length": str(10**10)}, times=9)
    with pytest.raises(HubError, match=r"config.json is too large: expected at most 4194304"):
        lipzoo.load(ADDRESS)
    assert not [line for line in hub.requests if line.startswith("GET") and "resolve" in line]


def test_a_portal_that_answers_everything_is_no_hub(hub, commit, no_waiting):
    hub.fail("resolve", "status", status=200, body=HTML, times=10_000)
    with pytest.raises(HubError, match="does not seem to be served by a Hugging Face Hub"):
        lipzoo.load(ADDRESS)


def lie(change_config=None, weights=None, claim=None):
    """Files that agree with each other by their hashes, and are wrong."""
    files = model_files()
    if change_config:
        values = json.loads(files["config.json"])
        change_config(values)
        files["config.json"] = json.dumps(values).encode()
    files["model.safetensors"] = weights or files["model.safetensors"]
    values = json.loads(files["certificate.json"])
    values["files"] = {f: vars(record_of(files[f])) for f in ("config.json", "model.safetensors")}
    values |= claim or {}
    files["certificate.json"] = json.dumps(values).encode()
    return files


HEADER = b'{"head.kernel":{"dtype":"F32","shape":[65536,65536],"data_offsets":[0,17179869184]}}'
LIES = {
    "expected integers up to 65536": lambda: lie(lambda v: v["arguments"].update(width=10**9)),
    "expected a model of at most": lambda: lie(lambda v: v["arguments"].update(depth=60_000)),
    "was written by a newer lipzoo": lambda: lie(lambda v: v.update(format_version=99)),
    "key 'architecture': expected one of": lambda: lie(lambda v: v.update(architecture="eval")),
    "truncated, altered or not a safetensors file": lambda: lie(
        weights=len(HEADER).to_bytes(8, "little") + HEADER + bytes(100)
    ),
    "expected a Lipschitz bound of at most 1.0": lambda: lie(claim={"lipschitz_bound": 1.0}),
    "not a safetensors file but a web page": lambda: lie(weights=HTML),
}


@pytest.mark.parametrize("message", LIES)
def test_files_that_lie_consistently_are_refused(hub, message):
    hub.add(REPO, LIES[message]())
    with pytest.raises(ValueError, match="It is in the Hub's cache") as caught:
        lipzoo.load(ADDRESS)
    assert message in str(caught.value)
    verification = lipzoo.verify(ADDRESS)
    assert not verification.passed
    assert "NOT verified" in str(verification)


@pytest.mark.parametrize(
    "text", ["hf://", "hf://roll", "hf://a/b/c", "hf://a/..", "hf://../b@v1", "hf://a/b@", "a/b",
             "hf://a/b@v 1", "hf://a/b@../x", "hf://a b/c"]
)  # fmt: skip
def test_what_is_no_address_is_refused(hub, text):
    with pytest.raises(ValueError, match="Expected 'hf://owner/repo'"):
        parse_location(text)
    assert hub.requests == []


def test_an_address_says_its_revision_once():
    with pytest.raises(ValueError, match="Expected one revision"):
        lipzoo.load(f"{ADDRESS}@v1", revision="v2")
