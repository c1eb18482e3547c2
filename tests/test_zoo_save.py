import os
import shutil

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import zoo
from lipzoo.bounds import lipschitz_bound
from lipzoo.zoo import promotion
from tests import zoo_models
from tests.processes import fresh


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "flow-digits"
    model = zoo_models.save_run(folder)
    return folder, model


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "flow-digits")
    return tmp_path / "flow-digits"


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_saved_folder_holds_the_model_and_its_certificate(run, finished):
    assert set(contents(run)) == {
        "certificate.json",
        "config.json",
        "metrics.json",
        "model.safetensors",
    }
    config = zoo.read_config(run)
    assert config.lipzoo_version == lipzoo.__version__
    bound = lipschitz_bound(finished[1])
    claim = zoo.Claim.from_dict(zoo_models.read_json(run / "certificate.json"))
    assert claim.lipschitz_bound == bound.value
    assert [row["name"] for row in claim.layers] == [row.name for row in bound.layers]


def test_saving_again_replaces_the_model_and_drops_old_results(run):
    (run / "notes.txt").write_text("keep me")
    zoo.save_model(run, zoo_models.small_model(seed=8), zoo_models.small_config())
    assert not (run / "metrics.json").exists()
    assert (run / "notes.txt").read_text() == "keep me"
    assert isinstance(zoo.load(run), keras.Model)


def test_what_does_not_fit_is_not_saved(run, finished, tmp_path):
    model, before = finished[1], contents(run)
    config = zoo_models.small_config()
    fewer = zoo_models.small_config(
        arguments={**config.arguments, "num_classes": 4}, class_names=()
    )
    with pytest.raises(ValueError, match=r"expected num_classes 5\. Received: num_classes=4"):
        zoo.save_model(run, model, fewer)
    taller = zoo_models.small_config(arguments={**config.arguments, "input_shape": [9, 8, 1]})
    with pytest.raises(ValueError, match=r"expected input_shape \(8, 8, 1\)"):
        zoo.save_model(run, model, taller)
    with pytest.raises(ValueError, match=r"config must be a lipzoo\.zoo\.ModelConfig"):
        zoo.save_model(run, model)
    wrong = {"format_version": 1, "test": {**zoo_models.METRICS["test"], "clean": 90}}
    with pytest.raises(ValueError, match=r"test\.clean"):
        zoo.save_model(run, model, config, metrics=wrong)
    broken = zoo_models.small_model()
    broken.get_layer("head").bias.assign([np.nan] * 5)
    with pytest.raises(ValueError, match=r"NaN or infinity in 'head\.bias'"):
        zoo.save_model(run, broken, config)
    assert contents(run) == before


def test_a_promoted_run_is_in_the_zoo(run, finished, tmp_path, monkeypatch):
    (run / "recipe.toml").write_text('name = "flow-noise"\n')
    (run / "curves.png").write_bytes(b"\x89PNG")
    (run / "checkpoint.npz").write_bytes(b"not for the zoo")
    weights = tmp_path / "weights"
    zoo_models.use_zoo(monkeypatch, tmp_path)
    assert zoo.promote(run, weights_dir=weights) == weights / "flow-noise"
    assert zoo.promote(run, "flow-other", weights_dir=weights) == weights / "flow-other"
    assert zoo.list_models() == ["flow-noise", "flow-other"]
    entry = zoo.read_registry()["flow-noise"]
    assert set(contents(weights / "flow-noise")) == set(entry.files)
    assert "checkpoint.npz" not in entry.files
    assert (entry.repo, entry.revision) == (None, None)
    assert entry.parameters == finished[1].count_params()
    x = zoo_models.images((8, 8, 1))
    np.testing.assert_array_equal(zoo.load("flow-noise")(x), finished[1](x))
    assert {path.name for path in weights.iterdir()} == {
        "registry.json",
        "flow-noise",
        "flow-other",
    }


def test_a_name_is_never_given_to_other_weights(run, tmp_path):
    weights = tmp_path / "weights"
    zoo.promote(run, weights_dir=weights)
    zoo.promote(run, weights_dir=weights)
    before = contents(weights)
    zoo_models.save_run(run, seed=4)
    with pytest.raises(FileExistsError, match=r"Received: name='flow-digits', which has weights"):
        zoo.promote(run, weights_dir=weights)
    assert contents(weights) == before
    zoo.promote(run, weights_dir=weights, replace=True)
    assert contents(weights) != before
    assert zoo.read_registry(weights)["flow-digits"].version == 2
    # New results of the same weights are welcome.
    zoo_models.edit_json(run / "metrics.json", lambda v: v["test"].update(clean=0.95))
    zoo.promote(run, weights_dir=weights)
    assert zoo.read_registry(weights)["flow-digits"].version == 2
    assert {path.name for path in weights.iterdir()} == {"registry.json", "flow-digits"}


def test_replaced_weights_may_be_kept_under_their_number(run, finished, tmp_path, monkeypatch):
    weights = tmp_path / "weights"
    zoo_models.use_zoo(monkeypatch, tmp_path)
    zoo.promote(run)
    first = contents(weights / "flow-digits")
    zoo_models.save_run(run, seed=4)
    zoo.promote(run, replace=True, keep_previous=True)
    assert contents(weights / "flow-digits@1") == first
    assert zoo.list_models() == ["flow-digits"]
    assert zoo.list_models("*@*") == ["flow-digits@1"]
    assert zoo.info("flow-digits@1").name == "flow-digits@1"
    x = zoo_models.images((8, 8, 1))
    np.testing.assert_array_equal(zoo.load("flow-digits@1")(x), finished[1](x))
    newest = zoo.load("flow-digits")(x)
    assert not np.allclose(newest, finished[1](x))
    np.testing.assert_array_equal(zoo.load("flow-digits@2")(x), newest)
    for name in ("flow-digits@3", "flow-digits@", "flow-digits@01", "flow-digits@1@1"):
        with pytest.raises(ValueError, match=r"there: 1, 2\. Received: name='flow-digits@"):
            zoo.load(name)
    # A kept version can get other results, and no other weights.
    kept = weights / "flow-digits@1"
    zoo_models.edit_json(kept / "metrics.json", lambda v: v["test"].update(clean=0.95))
    zoo.promote(kept, "flow-digits@1")
    assert zoo.info("flow-digits@1").metrics.clean == 0.95
    with pytest.raises(FileExistsError, match="never given to other weights"):
        zoo.promote(run, "flow-digits@1", replace=True)


def test_a_promotion_that_fails_leaves_the_zoo_as_it_was(run, tmp_path, monkeypatch):
    weights = tmp_path / "weights"
    zoo_models.use_zoo(monkeypatch, tmp_path)
    zoo.promote(run)
    first = contents(weights / "flow-digits")
    zoo_models.save_run(run, seed=4)
    write = promotion.write_registry

    def fails_for_new_weights(folder, entries):
        if entries["flow-digits"].version == 2:
            raise OSError("no space left on device")
        write(folder, entries)

    with monkeypatch.context() as patch:
        patch.setattr(promotion, "write_registry", fails_for_new_weights)
        with pytest.raises(OSError, match="no space left"):
            zoo.promote(run, replace=True, keep_previous=True)
    assert contents(weights / "flow-digits") == first
    assert contents(weights / "flow-digits@1") == first
    assert zoo.info("flow-digits").name == "flow-digits"
    zoo.promote(run, replace=True, keep_previous=True)
    assert contents(weights / "flow-digits@1") == first
    assert zoo.read_registry()["flow-digits"].version == 2
    with monkeypatch.context() as patch:
        patch.setattr(
            promotion, "write_registry", lambda *_: (_ for _ in ()).throw(OSError("full"))
        )
        with pytest.raises(OSError, match="full"):
            zoo.promote(run, "flow-other")
    assert not (weights / "flow-other").exists()


@pytest.mark.parametrize("version", [2, 3])
def test_an_earlier_version_has_a_newer_one(run, tmp_path, monkeypatch, version):
    zoo_models.use_zoo(monkeypatch, tmp_path)
    zoo.promote(run)
    zoo_models.edit_json(
        tmp_path / "weights" / "registry.json",
        lambda v: v["models"].update(
            {f"flow-digits@{version}": {**v["models"]["flow-digits"], "version": version}}
        ),
    )
    with pytest.raises(ValueError, match="expected a newer version under the plain name"):
        zoo.read_registry()


UNFINISHED = {
    "without metrics.json": lambda run: (run / "metrics.json").unlink(),
    "without model.safetensors, certificate.json": lambda run: [
        (run / name).unlink() for name in ("model.safetensors", "certificate.json")
    ],
    "missing key 'test.certified'": lambda run: zoo_models.edit_json(
        run / "metrics.json", lambda v: v["test"].pop("certified")
    ),
    "model.safetensors was altered": lambda run: (run / "model.safetensors").write_bytes(
        (run / "model.safetensors").read_bytes()[:-1] + b"\1"
    ),
    "expected a Lipschitz bound of at most 0.25": lambda run: zoo_models.edit_json(
        run / "certificate.json", lambda v: v.update(lipschitz_bound=0.25)
    ),
    "at most 8,000,000 bytes": lambda run: (run / "curves.png").write_bytes(bytes(8_000_000)),
    'write description = "..."': lambda run: zoo_models.save_run(run, description=""),
    "recipe.toml: expected TOML with the key 'name'": lambda run: (run / "recipe.toml").write_text(
        "nmae = 3"
    ),
    "lower-case words and digits": lambda run: (run / "recipe.toml").write_text('name = "../x"'),
}


@pytest.mark.parametrize("message", UNFINISHED)
def test_an_unfinished_or_damaged_run_is_refused(run, tmp_path, message):
    weights = tmp_path / "weights"
    UNFINISHED[message](run)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        zoo.promote(run, weights_dir=weights)
    assert message in str(caught.value)
    assert not weights.exists()


def test_a_missing_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected the folder of a run\. Received: "):
        zoo.promote(tmp_path / "nowhere", weights_dir=tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_zoo_that_may_not_be_written_is_named(run, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="which is unchanged: Permission denied"):
        zoo.promote(run, weights_dir=weights)


def test_a_keras_file_opens_in_a_fresh_process(finished, tmp_path):
    """Keras' own format needs nothing but `import lipzoo`; the bound holds there too."""
    model, x = finished[1], zoo_models.images((8, 8, 1))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    code = """
import keras, lipzoo, numpy as np
from lipzoo.bounds import lipschitz_bound
model = keras.models.load_model("model.keras")
np.save("y.npy", keras.ops.convert_to_numpy(model(np.load("x.npy"))))
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(np.load("x.npy"), np.zeros(4), verbose=0)
print(lipschitz_bound(model).value)
"""
    printed = fresh(code, cwd=tmp_path)
    assert float(printed.split()[-1]) <= 1.0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model(x))
