"""Publishing on the Hub: one commit and a tag, or everything as it was before."""

import json
import shutil

import numpy as np
import pytest

import lipzoo
from lipzoo import zoo
from lipzoo.zoo.weights import read_variables
from lipzoo_catalogue.cards import hub_card, is_untouched
from lipzoo_catalogue.files import record_of
from lipzoo_catalogue.hub.errors import HubError
from lipzoo_catalogue.hub.publish import publish_files
from lipzoo_catalogue.registry import weights_folder
from tests import zoo_models
from tests.hub_client import MODEL, REPO, hub, model_files, no_waiting
from tests.hub_server import READER, WRITER

__all__ = ["hub", "no_waiting"]
BY_HAND = b"---\nlicense: mit\n---\n# Written by a person\n"


@pytest.fixture(autouse=True)
def writer(monkeypatch, hub):
    monkeypatch.setenv("HF_TOKEN", WRITER)


@pytest.fixture
def folder(tmp_path):
    """A run folder that may be changed."""
    shutil.copytree(weights_folder() / MODEL, tmp_path / "run")
    return tmp_path / "run"


def change_weights(folder):
    """Other weights with a certificate and texts of their own, and no metrics."""
    model = lipzoo.load(folder)
    model.set_weights([weight * 0.5 for weight in model.get_weights()])
    zoo.save_model(folder, model)
    texts = ("description", "dataset", "data_licence")
    (folder / "card.toml").write_text("".join(f'{key} = "of my own"\n' for key in texts))


def test_a_run_is_published_in_one_tagged_commit(hub, folder):
    publication, entry = zoo.publish(folder, REPO)
    repository = hub.repositories[REPO]
    assert repository.history[1:] == [publication.revision]
    assert repository.tags == {"v1": publication.revision}
    assert not repository.private
    files = hub.files(REPO)
    assert {**files, **model_files()} == files
    assert set(files) - set(model_files()) == {"README.md", ".gitattributes"}
    assert is_untouched(files["README.md"].decode())
    assert publication.url == f"{hub.url}/{REPO}"
    assert entry.files == {f: record_of(content) for f, content in model_files().items()}
    assert (entry.name, entry.repo, entry.revision) == (MODEL, REPO, publication.revision)
    expected = read_variables(lipzoo.load(folder))
    for name, value in read_variables(lipzoo.load(f"hf://{REPO}@v1")).items():
        np.testing.assert_array_equal(value, expected[name])


def test_publishing_again_changes_nothing_unless_something_changed(hub, folder):
    first, _ = zoo.publish(folder, REPO)
    assert zoo.publish(folder, REPO)[0] == first
    change_weights(folder)
    second, _ = zoo.publish(folder, REPO)
    assert hub.repositories[REPO].tags == {"v1": first.revision, "v2": second.revision}
    # The old results were of other weights.
    assert "metrics.json" not in hub.files(REPO)
    assert b"model-index" not in hub.files(REPO)["README.md"]


def test_a_private_repository_and_a_tag_of_ones_own(hub, folder):
    publication, _ = zoo.publish(folder, REPO, private=True, tag="paper")
    assert hub.repositories[REPO].private
    assert hub.repositories[REPO].tags == {"paper": publication.revision}
    before = hub.state()
    change_weights(folder)
    with pytest.raises(HubError, match="it has a tag 'paper' already"):
        zoo.publish(folder, REPO, tag="paper")
    with pytest.raises(ValueError, match="Expected a tag such as 'v1'"):
        zoo.publish(folder, REPO, tag="a tag")
    assert hub.state() == before


def test_a_card_that_a_person_edited_stays(hub, folder):
    hub.add(REPO, {"README.md": BY_HAND})
    assert zoo.publish(folder, REPO)[0].card_kept
    assert hub.files(REPO)["README.md"] == BY_HAND
    assert not zoo.publish(folder, REPO, replace_card=True)[0].card_kept
    card = hub.files(REPO)["README.md"]
    assert is_untouched(card.decode())
    change_weights(folder)
    zoo.publish(folder, REPO)
    newer = hub.files(REPO)["README.md"]
    assert newer != card
    hub.add(REPO, {**hub.files(REPO), "README.md": newer.replace(b"# roll", b"# My roll", 1)})
    assert zoo.publish(folder, REPO)[0].card_kept


def test_preparing_makes_no_request_and_shows_every_byte(hub, folder):
    package = zoo.prepare(folder, REPO)
    assert hub.requests == []
    zoo.publish(folder, REPO)
    sent = {file: hub.files(REPO)[file] for file in package.contents}
    assert sent == package.contents
    assert hub.files(REPO)["README.md"] == package.card.encode()
    for content in sent.values():
        assert record_of(content).sha256 in str(package)


def test_what_does_not_pass_its_checks_is_not_published(hub, folder):
    zoo_models.edit_json(folder / "certificate.json", lambda v: v.update(lipschitz_bound=2.0))
    with pytest.raises(ValueError, match="expected a Lipschitz bound of at most"):
        zoo.publish(folder, REPO)
    (folder / "model.safetensors").write_bytes(b"{}")
    with pytest.raises(ValueError, match=r"model\.safetensors is truncated or altered"):
        zoo.publish(folder, REPO)
    (folder / "certificate.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"a folder without certificate\.json"):
        zoo.publish(folder, REPO)
    for repo in ("roll", "a/b/c", "a b/c", "hf://a/b"):
        with pytest.raises(ValueError, match="Expected a repository 'owner/name'"):
            zoo.publish(folder, repo)
    assert hub.requests == []


STEPS = {
    "create": r"POST /api/repos/create",
    "look": r"GET /api/models/someone/roll$",
    "tags": r"GET .*/refs",
    "old card": r"GET .*README",
    "modes": r"POST .*/preupload/",
    "large files": r"POST .*objects/batch",
    "upload": r"PUT /objects",
    "verify": r"POST /verify",
    "commit": r"POST .*/commit/",
}
FAULTS = {
    "error": {"status": 500},
    "unauthorised": {"status": 401},
    "forbidden": {"status": 403},
    "missing": {"status": 404},
    "too many": {"status": 429, "headers": {"Retry-After": "0"}},
    "no answer": {"kind": "drop"},
}


def send(**changes):
    """Publishes files as they are; what is in them matters little to the way they take."""
    contents = {**model_files(), **changes}
    card = hub_card(lipzoo.info(MODEL), REPO)
    return publish_files(contents, card, REPO, message="a model")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_refused_upload_leaves_the_repository_as_it_was(hub, no_waiting, step, fault):
    send()
    before = hub.state()
    hub.fail(STEPS[step], times=10_000, **FAULTS[fault])
    changes = {"model.safetensors": b"other weights", "metrics.json": b"{}"}
    if (step, fault) == ("create", "forbidden"):
        # A token may be allowed to write to a repository and not to create one.
        assert send(**changes).tag == "v2"
        return
    with pytest.raises(HubError, match="Cannot ") as caught:
        send(**changes)
    assert WRITER not in str(caught.value)
    assert hub.state() == before
    hub.faults.clear()
    assert send(**changes).tag == "v2"


@pytest.mark.parametrize("step", [step for step in STEPS if step not in ("create", "old card")])
def test_a_repository_that_was_created_in_vain_is_removed(hub, no_waiting, step):
    hub.fail(STEPS[step], times=1 if step == "look" else 10_000)
    with pytest.raises(HubError, match=r"Cannot .* someone/roll"):
        send()
    assert hub.repositories == {}


def test_a_server_that_is_no_hub_is_an_error(hub):
    hub.fail("", status=200, body=b"<html>Please log in</html>", times=10_000)
    with pytest.raises(HubError, match="Cannot open the repository someone/roll"):
        send()
    hub.faults.clear()
    hub.fail("GET", status=200, body=b"{}", times=10_000)
    with pytest.raises(HubError, match="Cannot open the repository someone/roll"):
        send()


@pytest.mark.parametrize("step", ["modes", "large files", "upload", "verify"])
@pytest.mark.parametrize("fault", ["error", "too many", "no answer"])
def test_passing_trouble_is_overcome(hub, no_waiting, step, fault):
    hub.fail(STEPS[step], **FAULTS[fault])
    assert send().tag == "v1"
    assert not any(fault.times for fault in hub.faults)


def test_a_commit_without_its_tag_gets_it_the_next_time(hub, no_waiting):
    hub.fail(r"POST .*/tag/", times=10_000)
    with pytest.raises(HubError, match=r"which is published but for its tag \(publish it again\)"):
        send()
    revision = hub.repositories[REPO].head
    hub.faults.clear()
    publication = send()
    assert (publication.revision, publication.tag) == (revision, "v1")


def test_someone_else_being_faster_is_not_overwritten(hub):
    send()
    commit = hub.repositories[REPO].commit
    seen = []

    def interfere(line):
        if "/preupload/" in line and not seen:
            seen.append(commit({**hub.files(REPO), "notes.txt": b"mine"}))

    fault = hub.fault
    hub.fault = lambda line: interfere(line) or fault(line)
    with pytest.raises(HubError, match="changed by someone else meanwhile"):
        send(**{"metrics.json": b"{}"})
    assert hub.repositories[REPO].head == seen[0]


def test_other_bytes_at_the_hub_than_were_sent_are_noticed(hub):
    hub.fail(STEPS["commit"], "corrupt")
    with pytest.raises(HubError, match=r"config\.json is not what was sent; the commit has no tag"):
        send()
    assert hub.repositories[REPO].tags == {}


def test_a_token_is_needed_and_never_shown(hub, folder, monkeypatch, caplog, capsys, tmp_path):
    for token, message in ((READER, "no permission"), ("hf_invalidinvalid", r"\*\*\*")):
        with pytest.raises(HubError, match=message) as caught:
            zoo.publish(folder, REPO, token=token)
        assert token not in str(caught.value)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="set HF_TOKEN or pass token="):
        zoo.publish(folder, REPO)
    zoo.publish(folder, REPO, token=WRITER)
    shown = caplog.text + "".join(capsys.readouterr())
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    for content in hub.files(REPO).values():
        written += content
    for token in (READER, WRITER, "hf_invalidinvalid"):
        assert token not in shown
        assert token.encode() not in written


def test_a_fine_tuned_model_is_pushed_with_a_certificate_of_its_own(hub):
    model = lipzoo.load(MODEL, num_classes=3)
    model.set_weights([weight * 0.5 for weight in model.get_weights()])
    bound = lipzoo.lipschitz_bound(model).value
    publication = lipzoo.push_to_hub(model, REPO)
    claim = json.loads(hub.files(REPO)["certificate.json"])
    assert claim["lipschitz_bound"] == bound
    again = lipzoo.load(f"hf://{REPO}", revision=publication.tag)
    for name, value in read_variables(again).items():
        np.testing.assert_array_equal(value, read_variables(model)[name])
    assert lipzoo.verify(f"hf://{REPO}").passed
    card = hub.files(REPO)["README.md"].decode()
    assert "HamNet made from hamnet-swissroll" in card
    assert "interleaved spirals" not in card
    assert "model-index" not in card


def test_a_model_without_configuration_is_not_pushed(hub):
    with pytest.raises(ValueError, match=r"config must be a lipzoo\.zoo\.ModelConfig"):
        lipzoo.push_to_hub(lipzoo.HamNet((2,), 2, depth=1, width=4), REPO)
    assert hub.requests == []
