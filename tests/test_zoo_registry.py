import dataclasses
import json
import shutil
import tomllib

import pytest

import lipzoo
from lipzoo.zoo import info, list_models, read_registry
from lipzoo_catalogue.registry import model_folder, weights_folder
from tests import zoo_models

NAMES = ("flow-digits", "flow-digits-2", "flow-digits-10", "ham-roll")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One model under four names: what is in the files matters little here."""
    folder = tmp_path_factory.mktemp("zoo")
    zoo_models.make_zoo(folder, NAMES[0])
    path = folder / "weights" / "registry.json"
    for name in NAMES[1:]:
        shutil.copytree(folder / "weights" / NAMES[0], folder / "weights" / name)
        zoo_models.edit_json(
            path, lambda v, name=name: v["models"].update({name: v["models"][NAMES[0]]})
        )
    return folder


@pytest.fixture
def small_zoo(made, tmp_path, monkeypatch):
    folder = tmp_path / "zoo"
    shutil.copytree(made, folder)
    zoo_models.use_zoo(monkeypatch, folder)
    return folder / "weights"


def test_names_are_listed_in_natural_order_and_by_wildcards(small_zoo):
    assert list_models() == list(NAMES)
    assert list_models("flow-digits-*") == ["flow-digits-2", "flow-digits-10"]
    assert list_models("ham-roll") == ["ham-roll"]
    assert list_models("*-[rs]oll") == ["ham-roll"]
    assert list_models("resnet*") == []
    with pytest.raises(ValueError, match="Received: pattern=3"):
        list_models(3)


def test_info_tells_what_a_user_must_know(small_zoo):
    known = info("flow-digits")
    assert (known.architecture, known.input_shape) == ("GradFlowNet", (8, 8, 1))
    assert known.lipschitz_bound == pytest.approx(1.0, abs=1e-3)
    assert known.metrics.certified[0] == ("36/255", 36 / 255, 0.8)
    assert known.parameters == zoo_models.small_model().count_params()
    text = str(known)
    for part in (
        "A small model",
        "8 x 8 x 1, pixels in [0, 1]",
        "5: ant, bee, cat, dog, elk",
        "random numbers",
        "Apache-2.0",
        "2510.22299",
        "50 examples",
        "90.00 %",
        "float32   float64",
        "80.00 %   82.00 % certified",
    ):
        assert part in text
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.name = "other"


def test_the_nearest_names_are_suggested(small_zoo):
    with pytest.raises(ValueError, match=r"Did you mean 'flow-digits'.*name='flow-digit'"):
        info("flow-digit")
    with pytest.raises(ValueError, match=r"Did you mean 'ham-roll'\?.*name='roll'"):
        info("roll")
    with pytest.raises(ValueError, match=r"list_models\(\) lists them. Received: name='zzz'"):
        info("zzz")


@pytest.mark.parametrize("name", ["Flow-Digits", "a" * 65, "a--b", "a\n", "flow_digits"])
def test_what_is_no_name_is_refused(small_zoo, name):
    with pytest.raises(ValueError, match="lower-case words and digits joined by hyphens"):
        info(name)


@pytest.mark.parametrize("name", ["", 3, None])
def test_what_is_neither_a_name_nor_a_path_is_refused(small_zoo, name):
    with pytest.raises(ValueError, match=r"Expected a name or the path of a folder\. Received: "):
        info(name)


@pytest.mark.parametrize("name", ["../flow-digits", "flow/digits", "./flow-digits"])
def test_a_path_is_never_looked_up_in_the_zoo(small_zoo, name):
    with pytest.raises(FileNotFoundError, match="which is not a folder"):
        info(name)


def test_altered_small_files_are_refused_before_they_are_read(small_zoo):
    (small_zoo / "ham-roll" / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match=r"metrics\.json is truncated or altered"):
        info("ham-roll")


def change_entry(**changes):
    return lambda values: values["models"]["ham-roll"].update(changes)


SHA = {"sha256": "0" * 64, "bytes": 1}
BROKEN = {
    "newer lipzoo": lambda v: v.update(format_version=2),
    "unknown key 'modles'. Did you mean 'models'": lambda v: v.update(modles={}),
    "key 'models': expected an object": lambda v: v.update(models=[]),
    "key 'models': A model's name is": lambda v: v["models"].update({"../x": {}}),
    "missing key 'models.ham-roll.files'": lambda v: v["models"]["ham-roll"].pop("files"),
    "missing key 'models.ham-roll.files.metrics.json'": (
        lambda v: v["models"]["ham-roll"]["files"].pop("metrics.json")
    ),
    "unknown key 'models.ham-roll.url'": change_entry(url="http://example.org"),
    "key 'models.ham-roll.parameters': expected a positive": change_entry(parameters=0),
    "key 'models.ham-roll.repo': expected null or 'owner/name'": change_entry(repo="../../x/y"),
    "key 'models.ham-roll.revision': expected a full commit id": change_entry(
        repo="owner/name", revision="main"
    ),
    "key 'models.ham-roll.revision': expected a full": change_entry(revision="0" * 40),
    "key 'models.ham-roll.files': expected files among": (
        lambda v: v["models"]["ham-roll"]["files"].update({"run.py": SHA})
    ),
    "key 'models.ham-roll.files.config.json.sha256': expected 64": (
        lambda v: v["models"]["ham-roll"]["files"]["config.json"].update(sha256="F" * 64)
    ),
    "key 'models.ham-roll.files.config.json.bytes': expected a positive": (
        lambda v: v["models"]["ham-roll"]["files"]["config.json"].update(bytes=-1)
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_registry_is_refused_with_file_and_key(small_zoo, message):
    zoo_models.edit_json(small_zoo / "registry.json", BROKEN[message])
    with pytest.raises(ValueError, match=r"registry\.json: ") as caught:
        list_models()
    assert message in str(caught.value)


def test_a_published_entry_is_read(small_zoo):
    zoo_models.edit_json(
        small_zoo / "registry.json", change_entry(repo="owner/name", revision="0" * 40)
    )
    assert read_registry()["ham-roll"].repo == "owner/name"
    assert f"owner/name at {'0' * 40}" in str(info("ham-roll"))


def test_the_bundled_registry_is_valid_and_complete():
    folder = weights_folder()
    entries = read_registry()
    assert list(entries) == list_models()
    bundled = {path.name for path in folder.iterdir() if path.is_dir()}
    assert bundled == set(entries)
    for name, entry in entries.items():
        assert {path.name for path in model_folder(name).iterdir()} == set(entry.files)
    assert json.loads((folder / "registry.json").read_text())["format_version"] == 1


def test_the_wheel_ships_what_the_registry_names():
    root = weights_folder().parent
    if root.name == "_bundled":
        pytest.skip("no checkout")
    build = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    assert "weights" in wheel["only-include"]
    assert wheel["sources"]["weights"] == "lipzoo/_bundled/weights"
    assert (root / "lipzoo").samefile(lipzoo.__path__[0])
